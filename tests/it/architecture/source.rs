//! Parses the source of a crate into modules, with the names that each defines and imports, and the paths in its code.
//!
//! Comments, strings and code under `#[cfg(test)]` are ignored.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::{Path, PathBuf},
};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A name that a `use` brings into a module.
#[derive(Debug)]
struct Import {
    path: Vec<String>,
    /// The name in this module; `*` for a glob.
    name: String,
    public: bool,
}

/// A module: a file, or an inline `mod` of one.
#[derive(Debug, Default)]
pub(super) struct Module {
    pub(super) file: PathBuf,
    pub(super) children: BTreeSet<String>,
    items: BTreeSet<String>,
    /// Names of the types and traits among the items.
    pub(super) types: BTreeSet<String>,
    imports: Vec<Import>,
    /// Paths of two names or more, outside of `use`.
    paths: BTreeSet<Vec<String>>,
    /// Every identifier outside of `use`.
    pub(super) identifiers: BTreeSet<String>,
}

/// All modules of a crate by their path, such as `catalog::filter`; the root is the empty path.
#[derive(Debug, Default)]
pub(super) struct Crate {
    pub(super) modules: BTreeMap<Vec<String>, Module>,
}

impl Crate {
    /// Reads a crate from its root file, following `mod` declarations. `read` returns the text of a file, if it exists.
    pub(super) fn read(root: &Path, read: &dyn Fn(&Path) -> Option<String>) -> Self {
        let mut all = Self::default();
        let text = read(root).expect("the root file exists");
        let folder = root.parent().expect("a folder");
        all.add(Vec::new(), root, folder, tokens(&text, root), read);
        all
    }

    fn add(
        &mut self,
        path: Vec<String>,
        file: &Path,
        folder: &Path,
        body: TokenStream,
        read: &dyn Fn(&Path) -> Option<String>,
    ) {
        let mut reader = Reader { module: Module { file: file.to_owned(), ..Module::default() }, inline: Vec::new() };
        let mut files = Vec::new();
        reader.items(body, &mut files);
        for (name, body) in reader.inline {
            reader.module.children.insert(name.clone());
            let path = [path.clone(), vec![name.clone()]].concat();
            self.add(path, file, &folder.join(&name), body, read);
        }
        for name in files {
            let places = [folder.join(format!("{name}.rs")), folder.join(&name).join("mod.rs")];
            let found = places.iter().find_map(|place| read(place).map(|text| (place, text)));
            let (place, text) = found.unwrap_or_else(|| panic!("{}: no file for mod {name}", file.display()));
            reader.module.children.insert(name.clone());
            self.add(
                [path.clone(), vec![name.clone()]].concat(),
                place,
                &folder.join(&name),
                tokens(&text, place),
                read,
            );
        }
        self.modules.insert(path, reader.module);
    }

    /// The top-level folders (or files) of the crate that a module names, its own included.
    pub(super) fn folders_named(&self, path: &[String]) -> BTreeSet<String> {
        let module = &self.modules[path];
        let imported = module.imports.iter().map(|import| &import.path);
        imported
            .chain(&module.paths)
            .filter_map(|named| self.absolute(path, named)?.first().cloned())
            .filter(|first| self.modules[&Vec::new()].children.contains(first))
            .collect()
    }

    /// External crates that a module names: first segments of paths that the module does not declare.
    pub(super) fn externals_named(&self, path: &[String]) -> BTreeSet<String> {
        let module = &self.modules[path];
        let first = |named: &Vec<String>| {
            let first = named.first()?;
            let bound = module.imports.iter().any(|import| import.name == *first && import.path != [first.clone()]);
            (self.absolute(path, named).is_none() && !bound).then(|| first.trim_start_matches(':').to_owned())
        };
        module.imports.iter().map(|import| &import.path).chain(&module.paths).filter_map(first).collect()
    }

    /// The files that each file depends on, that is, those that define the names it uses. Re-exports and names of
    /// modules do not count.
    pub(super) fn dependencies(&self) -> BTreeMap<PathBuf, BTreeSet<PathBuf>> {
        let mut all: BTreeMap<PathBuf, BTreeSet<PathBuf>> = BTreeMap::new();
        for (path, module) in &self.modules {
            let mut found = BTreeSet::new();
            for import in &module.imports {
                if import.name == "*" {
                    if let Some(target) = self.absolute(path, &import.path) {
                        let names = module.identifiers.iter();
                        let globbed = names.filter_map(|name| self.definition(&target, std::slice::from_ref(name)));
                        found.extend(globbed);
                    }
                } else if !import.public || module.identifiers.contains(&import.name) {
                    found.extend(self.file_of(path, &import.path));
                }
            }
            found.extend(module.paths.iter().filter_map(|named| self.file_of(path, named)));
            found.remove(&module.file);
            all.entry(module.file.clone()).or_default().extend(found);
        }
        all
    }

    /// The file that defines the item at a path in a module; `None` for modules, other crates and local names.
    fn file_of(&self, module: &[String], named: &[String]) -> Option<PathBuf> {
        let absolute = self.absolute(module, named)?;
        let file = self.definition(&[], &absolute);
        // An undefined name is generated by a macro; it belongs to the innermost module of its path.
        file.or_else(|| {
            let depth = (0..=absolute.len()).rev().find(|depth| self.modules.contains_key(&absolute[..*depth]))?;
            (depth < absolute.len() && depth > 0).then(|| self.modules[&absolute[..depth]].file.clone())
        })
    }

    /// Resolves a path in a module to one from the root of the crate. `None` if it belongs to another crate.
    fn absolute(&self, module: &[String], named: &[String]) -> Option<Vec<String>> {
        self.absolute_within(module, named, 0)
    }

    fn absolute_within(&self, module: &[String], named: &[String], depth: usize) -> Option<Vec<String>> {
        let (first, rest) = named.split_first()?;
        let below = |base: &[String]| Some([base, rest].concat());
        match first.as_str() {
            "crate" => below(&[]),
            "self" => below(module),
            "super" => {
                let ups = named.iter().take_while(|name| *name == "super").count();
                let base = &module[..module.len().checked_sub(ups)?];
                Some([base, &named[ups..]].concat())
            }
            _ if self.modules.get(module)?.children.contains(first) => Some([module, named].concat()),
            _ => {
                let imports = &self.modules.get(module)?.imports;
                let import = imports.iter().find(|import| import.name == *first && import.path != named)?;
                // Stop at a depth: `use image::image` and the like would recurse forever.
                let base = (depth < 8).then(|| self.absolute_within(module, &import.path, depth + 1))??;
                below(&base)
            }
        }
    }

    /// The file that defines the item at `rest` below a module, through re-exports.
    fn definition(&self, base: &[String], rest: &[String]) -> Option<PathBuf> {
        self.definition_within(base, rest, 0)
    }

    fn definition_within(&self, base: &[String], rest: &[String], depth: usize) -> Option<PathBuf> {
        let module = self.modules.get(base)?;
        let (first, below) = rest.split_first()?;
        if depth > 16 {
            return None;
        }
        if module.children.contains(first) && !below.is_empty() {
            return self.definition_within(&[base, std::slice::from_ref(first)].concat(), below, depth + 1);
        }
        if module.items.contains(first) {
            return Some(module.file.clone());
        }
        let through = |import: &Import, rest: &[String]| {
            let absolute = self.absolute(base, &import.path)?;
            let whole = [absolute, rest.to_vec()].concat();
            self.definition_within(&[], &whole, depth + 1)
        };
        let named = module.imports.iter().filter(|import| import.name == *first);
        let globs = module.imports.iter().filter(|import| import.name == "*");
        named
            .filter_map(|import| through(import, below))
            .next()
            .or_else(|| globs.filter_map(|import| through(import, rest)).next())
    }
}

/// Dependency cycles between files: the shortest cycle of each group, with the first file repeated at its end.
pub(super) fn cycles(dependencies: &BTreeMap<PathBuf, BTreeSet<PathBuf>>) -> Vec<Vec<PathBuf>> {
    let mut seen = BTreeSet::new();
    let mut cycles = Vec::new();
    for file in dependencies.keys() {
        if seen.contains(file) {
            continue;
        }
        if let Some(cycle) = shortest_path(dependencies, file, file) {
            seen.extend(cycle.iter().cloned());
            cycles.push(cycle);
        }
    }
    cycles
}

/// The shortest path along dependencies, with at least one step.
fn shortest_path(all: &BTreeMap<PathBuf, BTreeSet<PathBuf>>, from: &PathBuf, to: &PathBuf) -> Option<Vec<PathBuf>> {
    let mut before: BTreeMap<&PathBuf, &PathBuf> = BTreeMap::new();
    let mut queue = VecDeque::from([from]);
    while let Some(file) = queue.pop_front() {
        for next in all.get(file).into_iter().flatten() {
            if next == to {
                let mut path = vec![to.clone(), file.clone()];
                let mut at = file;
                while at != from {
                    at = before[at];
                    path.push(at.clone());
                }
                path.reverse();
                return Some(path);
            }
            if next != from && !before.contains_key(next) {
                before.insert(next, file);
                queue.push_back(next);
            }
        }
    }
    None
}

fn tokens(text: &str, file: &Path) -> TokenStream {
    text.parse().unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn word(token: Option<&TokenTree>) -> Option<String> {
    match token {
        Some(TokenTree::Ident(ident)) => Some(ident.to_string().trim_start_matches("r#").to_owned()),
        _ => None,
    }
}

fn is(token: Option<&TokenTree>, sign: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == sign)
}

fn group(token: Option<&TokenTree>, delimiter: Delimiter) -> Option<TokenStream> {
    match token {
        Some(TokenTree::Group(group)) if group.delimiter() == delimiter => Some(group.stream()),
        _ => None,
    }
}

struct Reader {
    module: Module,
    /// Bodies of inline modules.
    inline: Vec<(String, TokenStream)>,
}

impl Reader {
    /// Reads the items of a module, and adds the names of modules with their own file to `files`.
    fn items(&mut self, body: TokenStream, files: &mut Vec<String>) {
        let tokens: Vec<TokenTree> = body.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            let name = word(tokens.get(at + 1));
            match (word(tokens.get(at)).as_deref(), name) {
                (Some("mod"), Some(name)) if is(tokens.get(at + 2), ';') => {
                    files.push(name);
                    at += 3;
                    continue;
                }
                (Some("mod"), Some(name)) => {
                    if let Some(body) = group(tokens.get(at + 2), Delimiter::Brace) {
                        self.inline.push((name, body));
                        at += 3;
                        continue;
                    }
                }
                (Some("struct" | "enum" | "trait" | "type" | "union"), Some(name)) => {
                    self.module.types.insert(name.clone());
                    self.module.items.insert(name);
                }
                (Some("fn" | "const" | "static"), Some(name)) if name != "mut" && name != "fn" => {
                    self.module.items.insert(name);
                }
                (Some("macro_rules"), _) => self.module.items.extend(word(tokens.get(at + 2))),
                _ => (),
            }
            at = self.token(&tokens, at);
        }
    }

    /// Reads code below the level of items: bodies of functions, types of fields and the like.
    fn code(&mut self, body: TokenStream) {
        let tokens: Vec<TokenTree> = body.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            at = self.token(&tokens, at);
        }
    }

    /// Reads from a token on, and returns the index of the next unread token.
    fn token(&mut self, tokens: &[TokenTree], at: usize) -> usize {
        if is(tokens.get(at), '#') {
            let inner = usize::from(is(tokens.get(at + 1), '!'));
            if let Some(attribute) = group(tokens.get(at + 1 + inner), Delimiter::Bracket) {
                let end = at + 2 + inner;
                if is_cfg_test(attribute.clone()) {
                    return after_item(tokens, end);
                }
                self.code(attribute);
                return end;
            }
        }
        if let TokenTree::Group(group) = &tokens[at] {
            self.code(group.stream());
            return at + 1;
        }
        match word(tokens.get(at)).as_deref() {
            // `+ use<>` of a return type is not an import.
            Some("use") if !is(tokens.get(at + 1), '<') => {
                let end = (at..tokens.len()).find(|end| is(tokens.get(*end), ';')).unwrap_or(tokens.len());
                let before = at.checked_sub(1).map(|before| &tokens[before]);
                let public = word(before).as_deref() == Some("pub")
                    || group(before, Delimiter::Parenthesis).is_some()
                        && at >= 2
                        && word(tokens.get(at - 2)).as_deref() == Some("pub");
                self.import(&tokens[at + 1..end], &mut Vec::new(), public);
                end + 1
            }
            Some(first) => {
                let mut path = vec![first.to_owned()];
                let mut end = at + 1;
                while is(tokens.get(end), ':') && is(tokens.get(end + 1), ':') {
                    let Some(next) = word(tokens.get(end + 2)) else { break };
                    path.push(next);
                    end += 3;
                }
                self.module.identifiers.insert(path[0].clone());
                self.module.identifiers.extend(path.last().cloned());
                // After `::` follows the rest of a path with generics, or another crate.
                let after_colons = at >= 2 && is(tokens.get(at - 1), ':') && is(tokens.get(at - 2), ':');
                let of_generics = at >= 3 && is(tokens.get(at - 3), '>');
                if after_colons && !of_generics {
                    path[0].insert_str(0, "::");
                }
                if path.len() > 1 && !(after_colons && of_generics) {
                    self.module.paths.insert(path);
                }
                end
            }
            None => at + 1,
        }
    }

    /// Reads a `use` tree, below the path that precedes it.
    fn import(&mut self, tree: &[TokenTree], path: &mut Vec<String>, public: bool) {
        let depth = path.len();
        let other_crate = is(tree.first(), ':');
        let mut at = if other_crate { 2 } else { 0 };
        while let Some(name) = word(tree.get(at)) {
            path.push(if other_crate && path.is_empty() { format!("::{name}") } else { name });
            at += 1;
            if !(is(tree.get(at), ':') && is(tree.get(at + 1), ':')) {
                break;
            }
            at += 2;
        }
        if let Some(list) = group(tree.get(at), Delimiter::Brace) {
            let list: Vec<TokenTree> = list.into_iter().collect();
            list.split(|token| is(Some(token), ',')).for_each(|tree| self.import(tree, path, public));
        } else if is(tree.get(at), '*') {
            self.module.imports.push(Import { path: path.clone(), name: "*".into(), public });
        } else if path.len() > depth {
            if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
                path.pop();
            }
            let name = match word(tree.get(at)).as_deref() {
                Some("as") => word(tree.get(at + 1)).unwrap_or_else(|| "_".into()),
                _ => path.last().cloned().unwrap_or_default(),
            };
            self.module.imports.push(Import { path: path.clone(), name, public });
        }
        path.truncate(depth);
    }
}

/// Whether an attribute is `cfg(test)`, or a `cfg` that needs it.
fn is_cfg_test(attribute: TokenStream) -> bool {
    let text = attribute.to_string().replace(' ', "");
    text == "cfg(test)" || text.starts_with("cfg(all(test,")
}

/// Index of the token after the item that begins at `at`.
fn after_item(tokens: &[TokenTree], mut at: usize) -> usize {
    while is(tokens.get(at), '#') && group(tokens.get(at + 1), Delimiter::Bracket).is_some() {
        at += 2;
    }
    let keyword = (at..tokens.len()).find_map(|n| word(tokens.get(n)).filter(|word| word != "pub"));
    let braces_end = !matches!(keyword.as_deref(), Some("use" | "const" | "static" | "type" | "let"));
    while at < tokens.len() {
        if is(tokens.get(at), ';') || braces_end && group(tokens.get(at), Delimiter::Brace).is_some() {
            return at + 1;
        }
        at += 1;
    }
    at
}
