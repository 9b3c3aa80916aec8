//! The stack machine that evaluates a pickle, restricted to the opcodes of a state dict: it imports nothing and runs no
//! code.
//!
//! Memory is bounded by a constant factor of the input size.

use std::collections::HashMap;

use super::{Global, Malformed, Pickle, Reader, Ref, Value};

/// A state dict has about ten objects per tensor, and no supported network has a hundred thousand tensors.
const MAX_OBJECTS: usize = 1 << 20;

/// The state of the machine.
struct Machine {
    arena: Vec<Value>,
    stack: Vec<Ref>,
    /// Heights of the stack at each MARK.
    marks: Vec<usize>,
    memo: HashMap<u32, Ref>,
}

/// Reads one pickle of protocol 2 and leaves the reader after its STOP.
pub(in crate::encoders::download) fn read(reader: &mut Reader<'_>) -> Result<Pickle, Malformed> {
    let mut machine = Machine { arena: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
    loop {
        let here = reader.clone();
        let step = machine.step(reader).map_err(|e| match e {
            Fault::File(malformed) => malformed,
            Fault::Machine(what) => here.malformed(what),
        });
        if let Some(root) = step? {
            return Ok(Pickle { arena: machine.arena, root });
        }
    }
}

/// An error of the file has a position; an error of the machine gets the position of its opcode.
enum Fault {
    File(Malformed),
    Machine(String),
}

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Self {
        Self::File(malformed)
    }
}

fn fault<T>(what: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Machine(what.into()))
}

impl Machine {
    /// Executes one opcode; returns the result at STOP.
    fn step(&mut self, reader: &mut Reader<'_>) -> Result<Option<Ref>, Fault> {
        let [opcode] = reader.array()?;
        match opcode {
            // PROTO
            0x80 => match reader.array()? {
                [2] => {}
                [other] => return fault(format!("pickle protocol {other}, expected 2")),
            },
            // STOP
            b'.' => return self.pop().map(Some),
            // NONE, NEWTRUE, NEWFALSE, BININT1, BININT2, BININT, LONG1
            b'N' => self.push(Value::None)?,
            0x88 => self.push(Value::Bool(true))?,
            0x89 => self.push(Value::Bool(false))?,
            b'K' => self.push(Value::Int(reader.array::<1>()?[0].into()))?,
            b'M' => self.push(Value::Int(u16::from_le_bytes(reader.array()?).into()))?,
            b'J' => self.push(Value::Int(i32::from_le_bytes(reader.array()?).into()))?,
            0x8a => {
                let [length] = reader.array()?;
                self.push(long(reader.take(length.into())?))?;
            }
            // BINUNICODE
            b'X' => {
                let length = u32::from_le_bytes(reader.array()?) as usize;
                let text = std::str::from_utf8(reader.take(length)?);
                let text = text.map_err(|_| Fault::Machine("a string that is not UTF-8".into()))?;
                self.push(Value::Str(text.to_owned()))?;
            }
            // GLOBAL
            b'c' => {
                let (module, name) = (reader.line()?, reader.line()?);
                let Some(global) = Global::named(module, name) else {
                    return fault(format!("an import of `{module}.{name}`, which is not allowed"));
                };
                self.push(Value::Global(global))?;
            }
            // MARK, EMPTY_TUPLE, TUPLE1, TUPLE2, TUPLE3, TUPLE
            b'(' => self.mark()?,
            b')' => self.push(Value::Tuple(Vec::new()))?,
            0x85..=0x87 => {
                let items = self.pop_many(usize::from(opcode - 0x84))?;
                self.push(Value::Tuple(items))?;
            }
            b't' => {
                let items = self.pop_to_mark()?;
                self.push(Value::Tuple(items))?;
            }
            // EMPTY_LIST, APPEND, APPENDS
            b']' => self.push(Value::List(Vec::new()))?,
            b'a' => {
                let items = self.pop_many(1)?;
                self.append(items)?;
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                self.append(items)?;
            }
            // EMPTY_DICT, SETITEM, SETITEMS
            b'}' => self.push(Value::Dict(Vec::new()))?,
            b's' => {
                let items = self.pop_many(2)?;
                self.set_items(&items)?;
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.set_items(&items)?;
            }
            // BINPUT, LONG_BINPUT, BINGET, LONG_BINGET
            b'q' => self.put(reader.array::<1>()?[0].into())?,
            b'r' => self.put(u32::from_le_bytes(reader.array()?))?,
            b'h' => self.recall(reader.array::<1>()?[0].into())?,
            b'j' => self.recall(u32::from_le_bytes(reader.array()?))?,
            // BINPERSID
            b'Q' => {
                let id = self.pop()?;
                self.push(Value::Persistent(id))?;
            }
            b'R' => self.reduce()?,
            // BUILD: sets the `_metadata` of a state dict, which is not needed.
            b'b' => {
                self.pop()?;
                match self.top()? {
                    Value::Dict(_) => {}
                    other => return fault(format!("BUILD of {}, expected a dict", other.kind())),
                }
            }
            other => return fault(format!("opcode {other:#04x}, which is not allowed in a state dict")),
        }
        Ok(None)
    }

    fn push(&mut self, value: Value) -> Result<(), Fault> {
        if self.arena.len() == MAX_OBJECTS {
            return fault(format!("more than {MAX_OBJECTS} objects"));
        }
        self.stack.push(Ref(self.arena.len() as u32));
        self.arena.push(value);
        Ok(())
    }

    fn mark(&mut self) -> Result<(), Fault> {
        if self.marks.len() == 1000 {
            return fault("more than 1000 marks at once");
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    /// The stack above the last mark.
    fn height(&self) -> usize {
        self.stack.len() - self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<Ref, Fault> {
        match self.height() {
            0 => fault("a stack underflow"),
            _ => Ok(self.stack.swap_remove(self.stack.len() - 1)),
        }
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<Ref>, Fault> {
        if self.height() < count {
            return fault("a stack underflow");
        }
        Ok(self.stack.split_off(self.stack.len() - count))
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Ref>, Fault> {
        match self.marks.pop() {
            Some(height) => Ok(self.stack.split_off(height)),
            None => fault("an opcode that needs a mark without one"),
        }
    }

    fn top(&mut self) -> Result<&mut Value, Fault> {
        match self.stack.last() {
            Some(&Ref(at)) if self.height() > 0 => Ok(&mut self.arena[at as usize]),
            _ => fault("a stack underflow"),
        }
    }

    fn append(&mut self, items: Vec<Ref>) -> Result<(), Fault> {
        match self.top()? {
            Value::List(list) => list.extend(items),
            other => return fault(format!("an item appended to {}", other.kind())),
        }
        Ok(())
    }

    fn set_items(&mut self, items: &[Ref]) -> Result<(), Fault> {
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return fault("a key without a value");
        }
        match self.top()? {
            Value::Dict(dict) => dict.extend(pairs.iter().map(|&[key, value]| (key, value))),
            other => return fault(format!("a key set in {}", other.kind())),
        }
        Ok(())
    }

    fn put(&mut self, name: u32) -> Result<(), Fault> {
        self.top()?;
        if let Some(&top) = self.stack.last() {
            self.memo.insert(name, top);
        }
        Ok(())
    }

    fn recall(&mut self, name: u32) -> Result<(), Fault> {
        match self.memo.get(&name) {
            // Otherwise the stack could grow beyond the limit of the arena.
            Some(_) if self.stack.len() >= MAX_OBJECTS => fault(format!("more than {MAX_OBJECTS} objects")),
            Some(&value) => {
                self.stack.push(value);
                Ok(())
            }
            None => fault(format!("memo {name}, which was never stored")),
        }
    }

    /// REDUCE: a call; two functions are allowed.
    fn reduce(&mut self) -> Result<(), Fault> {
        let arguments = self.pop()?;
        let function = self.pop()?;
        let (function, arguments_value) = (&self.arena[function.0 as usize], &self.arena[arguments.0 as usize]);
        let result = match (function, arguments_value) {
            (Value::Global(Global::OrderedDict), Value::Tuple(none)) if none.is_empty() => Value::Dict(Vec::new()),
            (Value::Global(Global::RebuildTensor), Value::Tuple(_)) => Value::Tensor(arguments),
            (Value::Global(called), _) => return fault(format!("a call of {called:?} with unexpected arguments")),
            (other, _) => return fault(format!("a call of {}", other.kind())),
        };
        self.push(result)
    }
}

/// A LONG1: little-endian two's complement, as an i64 if it fits.
fn long(bytes: &[u8]) -> Value {
    if bytes.len() > 8 {
        return Value::Long(bytes.to_vec());
    }
    let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
    let mut wide = [if negative { 0xff } else { 0 }; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    Value::Int(i64::from_le_bytes(wide))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refusal(bytes: &[u8]) -> String {
        read(&mut Reader::new(bytes)).expect_err("refused").to_string()
    }

    #[test]
    fn imports_and_calls_that_run_code_are_refused() {
        assert_eq!(
            refusal(b"\x80\x02cos\nsystem\nX\x02\0\0\0ls\x85R."),
            "at byte 2: an import of `os.system`, which is not allowed"
        );
        // INST, OBJ, NEWOBJ, EXT1, STACK_GLOBAL
        for opcode in [b'i', b'o', 0x81, 0x82, 0x93] {
            assert!(refusal(&[0x80, 2, opcode, 0, b'.']).contains("which is not allowed in a state dict"));
        }
    }

    #[test]
    fn read_checks_stack_memo_and_lengths() {
        for (bytes, message) in [
            (&b"."[..], "at byte 0: a stack underflow"),
            (b"(.", "at byte 1: a stack underflow"),
            (b"t.", "needs a mark"),
            (b"Ns.", "a stack underflow"),
            (b"NNN\x86s.", "a stack underflow"),
            (b"}(Nu.", "a key without a value"),
            (b"h\x07.", "memo 7"),
            (b"X\xff\xff\xff\xffab", "4294967295 more bytes expected, the file has 2"),
            (b"X\x01\0\0\0\xff.", "not UTF-8"),
            (b"\x80\x04.", "protocol 4"),
            (b"NNR.", "a call of None"),
            (b"N", "1 more bytes"),
        ] {
            let error = refusal(bytes);
            assert!(error.contains(message), "{bytes:?}: {error}");
        }
    }

    #[test]
    fn read_integers_of_all_widths() {
        for (bytes, value) in [
            (&b"K\xff."[..], Value::Int(255)),
            (b"M\xff\xff.", Value::Int(65_535)),
            (b"J\xff\xff\xff\xff.", Value::Int(-1)),
            (b"\x8a\x00.", Value::Int(0)),
            (b"\x8a\x01\x80.", Value::Int(-128)),
            (b"\x8a\x02\x00\x01.", Value::Int(256)),
        ] {
            let pickle = read(&mut Reader::new(bytes)).expect("valid");
            assert_eq!(*pickle.get(pickle.root), value);
        }
    }

    proptest! {
        #[test]
        fn read_never_panics_on_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            drop(read(&mut Reader::new(&bytes)));
        }

        #[test]
        fn read_never_panics_on_allowed_opcodes(
            opcodes in prop::collection::vec(prop::sample::select(&b"N)(]}tausqhQRb.\x85\x86\x87\x88"[..]), 0..2000)
        ) {
            let mut bytes = Vec::new();
            for opcode in opcodes {
                bytes.push(opcode);
                if matches!(opcode, b'q' | b'h') {
                    bytes.push(0);
                }
            }
            drop(read(&mut Reader::new(&bytes)));
        }
    }
}
