//! The little of JSON that a cell needs: reading a description, writing a record.

use std::collections::BTreeMap;
use std::fmt::Write;

#[derive(Clone, Debug)]
pub enum Json {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

impl Json {
    pub fn get(&self, name: &str) -> Option<&Json> {
        match self {
            Json::Object(members) => members.get(name),
            _ => None,
        }
    }

    pub fn text(&self) -> Option<&str> {
        match self {
            Json::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number that is not negative.
    pub fn whole(&self) -> Option<u64> {
        match self {
            Json::Number(n) if *n >= 0.0 && n.fract() == 0.0 && *n <= 9.1e15 => Some(*n as u64),
            _ => None,
        }
    }

    pub fn object<const N: usize>(members: [(&str, Json); N]) -> Json {
        Json::Object(members.into_iter().map(|(name, value)| (name.to_string(), value)).collect())
    }

    pub fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> Json {
        Json::List(words.into_iter().map(Json::from).collect())
    }

    pub fn write(&self, out: &mut String) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(value) => write!(out, "{value}").unwrap(),
            Json::Number(n) if n.fract() == 0.0 && n.abs() < 9.1e15 => write!(out, "{}", *n as i64).unwrap(),
            Json::Number(n) => write!(out, "{n:e}").unwrap(),
            Json::Text(text) => write_text(text, out),
            Json::List(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    out.push_str(if i > 0 { "," } else { "" });
                    item.write(out);
                }
                out.push(']');
            }
            Json::Object(members) => {
                out.push('{');
                for (i, (name, value)) in members.iter().enumerate() {
                    out.push_str(if i > 0 { "," } else { "" });
                    write_text(name, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Json {
        Json::Text(text.to_string())
    }
}

impl From<f64> for Json {
    fn from(n: f64) -> Json {
        Json::Number(n)
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if (c as u32) < 0x20 => write!(out, "\\u{:04x}", c as u32).unwrap(),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// One value and nothing after it.
pub fn parse(text: &str) -> Result<Json, String> {
    let mut reader = Reader { rest: text.trim_start() };
    let value = reader.value(0)?;
    if reader.rest.is_empty() {
        Ok(value)
    } else {
        Err("JSON: text after the end".to_string())
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn take(&mut self, word: &str) -> bool {
        match self.rest.strip_prefix(word) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn need(&mut self, word: &str) -> Result<(), String> {
        if self.take(word) {
            Ok(())
        } else {
            let near: String = self.rest.chars().take(20).collect();
            Err(format!("JSON: '{word}' expected at '{near}'"))
        }
    }

    fn value(&mut self, depth: usize) -> Result<Json, String> {
        if depth > 32 {
            return Err("JSON: nested too deep".to_string());
        }
        if self.take("{") {
            let mut members = BTreeMap::new();
            if self.take("}") {
                return Ok(Json::Object(members));
            }
            loop {
                let name = self.string()?;
                self.need(":")?;
                members.insert(name, self.value(depth + 1)?);
                if !self.take(",") {
                    break;
                }
            }
            self.need("}")?;
            return Ok(Json::Object(members));
        }
        if self.take("[") {
            let mut items = Vec::new();
            if self.take("]") {
                return Ok(Json::List(items));
            }
            loop {
                items.push(self.value(depth + 1)?);
                if !self.take(",") {
                    break;
                }
            }
            self.need("]")?;
            return Ok(Json::List(items));
        }
        if self.rest.starts_with('"') {
            return Ok(Json::Text(self.string()?));
        }
        for (word, value) in [("true", Json::Bool(true)), ("false", Json::Bool(false)), ("null", Json::Null)]
        {
            if self.take(word) {
                return Ok(value);
            }
        }
        let end = self.rest.find(|c| !"+-.eE0123456789".contains(c)).unwrap_or(self.rest.len());
        let n = self.rest[..end].parse().map_err(|_| "JSON: a value expected".to_string())?;
        self.rest = self.rest[end..].trim_start();
        Ok(Json::Number(n))
    }

    fn string(&mut self) -> Result<String, String> {
        let mut text = String::new();
        let mut chars = self.rest.strip_prefix('"').ok_or("JSON: a text expected")?.chars();
        loop {
            match chars.next().ok_or("JSON: a text without an end")? {
                '"' => break,
                '\\' => text.push(match chars.next().ok_or("JSON: a text without an end")? {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    c @ ('"' | '\\' | '/') => c,
                    'u' => {
                        let digits: String = chars.by_ref().take(4).collect();
                        u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32).unwrap_or('?')
                    }
                    _ => return Err("JSON: unknown escape".to_string()),
                }),
                c => text.push(c),
            }
        }
        self.rest = chars.as_str().trim_start();
        Ok(text)
    }
}
