//! Text to tokens.

use crate::field_path::FieldPath;

use super::ExpressionError;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Path(FieldPath),
    Text(String),
    Int(i64),
    Float(f64),
    /// A function, `true`, `false`, `null` or an operator in letters.
    Name(String),
    /// An operator or bracket.
    Symbol(&'static str),
    End,
}

impl Token {
    /// The token as messages name it.
    pub fn describe(&self) -> String {
        match self {
            Self::Path(path) => format!("`{path}`"),
            Self::Text(text) => format!("{text:?}"),
            Self::Int(number) => format!("`{number}`"),
            Self::Float(number) => format!("`{number}`"),
            Self::Name(name) => format!("`{name}`"),
            Self::Symbol(symbol) => format!("`{symbol}`"),
            Self::End => "the end".into(),
        }
    }

    /// Whether a slash after this token divides. Otherwise it begins a path.
    fn ends_an_operand(&self) -> bool {
        match self {
            Self::Path(_) | Self::Text(_) | Self::Int(_) | Self::Float(_) => true,
            Self::Name(name) => !matches!(name.as_str(), "and" | "or" | "not" | "in"),
            Self::Symbol(symbol) => *symbol == ")",
            Self::End => false,
        }
    }
}

const SYMBOLS: [&str; 14] = ["==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "(", ")", ",", "%"];

/// Operators of other languages and what they are here.
const FOREIGN: [(&str, &str); 5] = [("&&", "`and`"), ("||", "`or`"), ("<>", "`!=`"), ("=", "`==`"), ("!", "`not`")];

/// The tokens with the character that each begins at, counted from 1; the last one is the end.
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, usize)>, ExpressionError> {
    let mut lexer = Lexer { text, rest: text, column: 1 };
    let mut tokens: Vec<(Token, usize)> = Vec::new();
    loop {
        lexer.skip_space();
        let column = lexer.column;
        let divides = tokens.last().is_some_and(|(token, _)| token.ends_an_operand());
        let token = lexer.next(divides)?;
        let is_end = token == Token::End;
        tokens.push((token, column));
        if is_end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    rest: &'a str,
    column: usize,
}

impl<'a> Lexer<'a> {
    fn error(&self, message: impl Into<String>) -> ExpressionError {
        ExpressionError { text: self.text.into(), column: self.column, message: message.into() }
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.rest = rest;
        self.column += taken.chars().count();
        taken
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        self.take(end)
    }

    fn skip_space(&mut self) {
        self.take_while(char::is_whitespace);
    }

    fn next(&mut self, divides: bool) -> Result<Token, ExpressionError> {
        let Some(first) = self.rest.chars().next() else { return Ok(Token::End) };
        match first {
            '/' if !divides => self.path(),
            '"' | '\'' => self.string(first),
            '0'..='9' => self.number(),
            first if first.is_alphabetic() || first == '_' => {
                Ok(Token::Name(self.take_while(|c| c.is_alphanumeric() || c == '_').into()))
            }
            _ => self.symbol(first),
        }
    }

    fn symbol(&mut self, first: char) -> Result<Token, ExpressionError> {
        if let Some(symbol) = SYMBOLS.iter().find(|symbol| self.rest.starts_with(**symbol))
            && !self.rest.starts_with("<>")
        {
            self.take(symbol.len());
            return Ok(Token::Symbol(symbol));
        }
        match FOREIGN.iter().find(|(foreign, _)| self.rest.starts_with(foreign)) {
            Some((foreign, ours)) => Err(self.error(format!("`{foreign}` is written {ours}"))),
            None => Err(self.error(format!("unexpected {first:?}"))),
        }
    }

    fn path(&mut self) -> Result<Token, ExpressionError> {
        let column = self.column;
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '/' | '_' | '-' | '.' | '~' | '$' | '@' | ':');
        let text = self.take_while(is_part);
        let error = |message: String| ExpressionError { text: self.text.into(), column, message };
        match text.parse() {
            Ok(path) => Ok(Token::Path(path)),
            Err(_) if text.len() > 1 && text.ends_with('/') => {
                Err(error(format!("the field path `{text}` ends with a slash; put spaces around a division")))
            }
            Err(reason) => Err(error(reason.to_string())),
        }
    }

    fn number(&mut self) -> Result<Token, ExpressionError> {
        let start = self.rest;
        let column = self.column;
        self.take_while(|c| c.is_ascii_digit());
        let mut is_whole = true;
        if self.rest.starts_with('.') {
            is_whole = false;
            self.take(1);
            self.take_while(|c| c.is_ascii_digit());
        }
        if self.rest.starts_with(['e', 'E']) {
            is_whole = false;
            self.take(1);
            if self.rest.starts_with(['+', '-']) {
                self.take(1);
            }
            self.take_while(|c| c.is_ascii_digit());
        }
        let has_tail = self.rest.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.');
        let text = start.strip_suffix(self.rest).unwrap_or(start);
        let refused = |text: &str| ExpressionError {
            text: self.text.into(),
            column,
            message: format!("`{text}` is not a number"),
        };
        if has_tail {
            let end = start.find(|c: char| !c.is_alphanumeric() && !matches!(c, '.' | '_')).unwrap_or(start.len());
            return Err(refused(start.get(..end).unwrap_or(start)));
        }
        if is_whole && let Ok(number) = text.parse() {
            return Ok(Token::Int(number));
        }
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Token::Float(number)),
            _ => Err(refused(text)),
        }
    }

    fn string(&mut self, quote: char) -> Result<Token, ExpressionError> {
        let opening = self.column;
        let unclosed = |text: &str| ExpressionError {
            text: text.into(),
            column: opening,
            message: "the string is not closed".into(),
        };
        self.take(1);
        let mut string = String::new();
        loop {
            string.push_str(self.take_while(|c| c != quote && c != '\\'));
            let mut rest = self.rest.chars();
            match rest.next() {
                None => return Err(unclosed(self.text)),
                Some('\\') => {
                    let escaped = match rest.next() {
                        Some('n') => '\n',
                        Some('t') => '\t',
                        Some('r') => '\r',
                        Some(plain @ ('"' | '\'' | '\\' | '/')) => plain,
                        Some(_) => return Err(self.error("only \\n, \\t, \\r, \\\\, \\\" and \\' can be escaped")),
                        None => return Err(unclosed(self.text)),
                    };
                    string.push(escaped);
                    self.take(2);
                }
                Some(_) => {
                    self.take(1);
                    return Ok(Token::Text(string));
                }
            }
        }
    }
}
