//! Pretrained embeddings of tokens, with which the text CNN starts.

/// Pretrained embeddings of tokens: row `id` belongs to the token `id`.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenEmbeddings {
    /// Length of a row.
    pub dims: usize,
    /// All rows, `[ids, dims]`.
    pub values: Vec<f32>,
}

impl TokenEmbeddings {
    /// The row of a token; `None` if there is no token with this id.
    pub fn row(&self, id: u32) -> Option<&[f32]> {
        let begin = id as usize * self.dims;
        self.values.get(begin..begin + self.dims)
    }
}
