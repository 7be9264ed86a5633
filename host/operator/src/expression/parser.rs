//! Tokens to a tree, by recursive descent.

use crate::json_fields::FieldSet;

use super::{
    ExpressionError,
    functions::{self, Function},
    lexer::{Token, tokens},
};

/// Longest expression, in bytes.
const MAX_BYTES: usize = 64 * 1024;
/// Deepest nesting of brackets, and longest chain of operators of one kind: both cost stack.
const MAX_DEPTH: usize = 64;
const MAX_CHAIN: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
}

#[derive(Debug)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    /// A field by its slot.
    Field(usize),
    /// Whether a field is there.
    Exists(usize),
    Key,
    Timestamp,
    Not(Box<Node>),
    Negate(Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
    Compare(Comparison, Box<Node>, Box<Node>),
    In(Box<Node>, Vec<Node>),
    Arithmetic(Arithmetic, Box<Node>, Box<Node>),
    Call(Function, Vec<Node>),
}

pub(super) fn parse(text: &str, fields: &mut FieldSet) -> Result<Node, ExpressionError> {
    if text.len() > MAX_BYTES {
        let shown = text.chars().take(40).chain("...".chars()).collect();
        let message = format!("the expression is longer than {MAX_BYTES} bytes");
        return Err(ExpressionError { text: shown, column: 1, message });
    }
    let mut parser = Parser { text, tokens: tokens(text)?, at: 0, depth: 0, fields };
    let node = parser.either()?;
    match parser.peek() {
        Token::End => Ok(node),
        Token::Symbol(")") => Err(parser.error("there is no `(` for this `)`")),
        other => Err(parser.error(format!("expected an operator or the end, found {}", other.describe()))),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<(Token, usize)>,
    at: usize,
    depth: usize,
    fields: &'a mut FieldSet,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |(token, _)| token)
    }

    fn column(&self) -> usize {
        self.tokens.get(self.at).map_or(1, |(_, column)| *column)
    }

    fn advance(&mut self) -> Token {
        let token = self.peek().clone();
        // The last token is the end, which stays.
        self.at = (self.at + 1).min(self.tokens.len().saturating_sub(1));
        token
    }

    fn error(&self, message: impl Into<String>) -> ExpressionError {
        self.error_at(self.column(), message)
    }

    fn error_at(&self, column: usize, message: impl Into<String>) -> ExpressionError {
        ExpressionError { text: self.text.into(), column, message: message.into() }
    }

    fn accept_symbol(&mut self, symbol: &str) -> bool {
        let is_it = matches!(self.peek(), Token::Symbol(found) if *found == symbol);
        if is_it {
            self.advance();
        }
        is_it
    }

    fn accept_word(&mut self, word: &str) -> bool {
        let is_it = matches!(self.peek(), Token::Name(found) if found == word);
        if is_it {
            self.advance();
        }
        is_it
    }

    fn expect_symbol(&mut self, symbol: &str) -> Result<(), ExpressionError> {
        if self.accept_symbol(symbol) {
            return Ok(());
        }
        Err(self.error(format!("expected `{symbol}`, found {}", self.peek().describe())))
    }

    fn chain_fits(&self, length: usize) -> Result<(), ExpressionError> {
        if length > MAX_CHAIN { Err(self.error(format!("more than {MAX_CHAIN} operators in a row"))) } else { Ok(()) }
    }

    fn either(&mut self) -> Result<Node, ExpressionError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let first = self.both()?;
        let mut all = vec![first];
        while self.accept_word("or") {
            all.push(self.both()?);
            self.chain_fits(all.len())?;
        }
        self.depth -= 1;
        Ok(one_or(all, Node::Or))
    }

    fn both(&mut self) -> Result<Node, ExpressionError> {
        let first = self.negated()?;
        let mut all = vec![first];
        while self.accept_word("and") {
            all.push(self.negated()?);
            self.chain_fits(all.len())?;
        }
        Ok(one_or(all, Node::And))
    }

    fn negated(&mut self) -> Result<Node, ExpressionError> {
        let mut is_negated = false;
        let mut is_any = false;
        while self.accept_word("not") {
            is_negated = !is_negated;
            is_any = true;
        }
        let node = self.comparison()?;
        Ok(match (is_negated, is_any) {
            (true, _) => Node::Not(Box::new(node)),
            // An even number of them still makes a boolean.
            (false, true) => Node::And(vec![node]),
            (false, false) => node,
        })
    }

    fn comparison(&mut self) -> Result<Node, ExpressionError> {
        let left = self.sum()?;
        if self.accept_word("in") {
            self.expect_symbol("(")?;
            let choices = self.arguments()?;
            if choices.is_empty() {
                return Err(self.error("there is nothing in the brackets after `in`"));
            }
            return Ok(Node::In(Box::new(left), choices));
        }
        let Some(comparison) = self.accept_comparison() else { return Ok(left) };
        let right = self.sum()?;
        if comparison_of(self.peek()).is_some() {
            return Err(self.error("comparisons do not chain; join them by `and`"));
        }
        Ok(Node::Compare(comparison, Box::new(left), Box::new(right)))
    }

    fn accept_comparison(&mut self) -> Option<Comparison> {
        let comparison = comparison_of(self.peek())?;
        self.advance();
        Some(comparison)
    }

    fn sum(&mut self) -> Result<Node, ExpressionError> {
        let mut node = self.product()?;
        for length in 1.. {
            let operator = match self.peek() {
                Token::Symbol("+") => Arithmetic::Add,
                Token::Symbol("-") => Arithmetic::Subtract,
                _ => break,
            };
            self.chain_fits(length)?;
            self.advance();
            node = Node::Arithmetic(operator, Box::new(node), Box::new(self.product()?));
        }
        Ok(node)
    }

    fn product(&mut self) -> Result<Node, ExpressionError> {
        let mut node = self.signed()?;
        for length in 1.. {
            let operator = match self.peek() {
                Token::Symbol("*") => Arithmetic::Multiply,
                Token::Symbol("/") => Arithmetic::Divide,
                _ => break,
            };
            self.chain_fits(length)?;
            self.advance();
            node = Node::Arithmetic(operator, Box::new(node), Box::new(self.signed()?));
        }
        Ok(node)
    }

    fn signed(&mut self) -> Result<Node, ExpressionError> {
        let mut is_negative = false;
        while self.accept_symbol("-") {
            is_negative = !is_negative;
        }
        Ok(match (is_negative, self.operand()?) {
            (false, node) => node,
            (true, Node::Int(number)) => Node::Int(-number),
            (true, Node::Float(number)) => Node::Float(-number),
            (true, node) => Node::Negate(Box::new(node)),
        })
    }

    fn operand(&mut self) -> Result<Node, ExpressionError> {
        let column = self.column();
        match self.advance() {
            Token::Path(path) => Ok(Node::Field(self.fields.add(&path))),
            Token::Text(text) => Ok(Node::Text(text)),
            Token::Int(number) => Ok(Node::Int(number)),
            Token::Float(number) => Ok(Node::Float(number)),
            Token::Symbol("(") => {
                let node = self.either()?;
                self.expect_symbol(")")?;
                Ok(node)
            }
            Token::Name(name) => match name.as_str() {
                "true" => Ok(Node::Bool(true)),
                "false" => Ok(Node::Bool(false)),
                "null" => Ok(Node::Null),
                "and" | "or" | "in" | "not" => Err(self.error_at(column, format!("expected a value, found `{name}`"))),
                _ if self.accept_symbol("(") => self.call(column, &name),
                _ => Err(self.error_at(column, format!("`{name}` is no value; a field is written `/{name}`"))),
            },
            other => Err(self.error_at(column, format!("expected a value, found {}", other.describe()))),
        }
    }

    /// The arguments after `(`, up to and with `)`.
    fn arguments(&mut self) -> Result<Vec<Node>, ExpressionError> {
        let mut arguments = Vec::new();
        if self.accept_symbol(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.either()?);
            self.chain_fits(arguments.len())?;
            if self.accept_symbol(")") {
                return Ok(arguments);
            }
            if !self.accept_symbol(",") {
                return Err(self.error(format!("expected `,` or `)`, found {}", self.peek().describe())));
            }
        }
    }

    fn call(&mut self, column: usize, name: &str) -> Result<Node, ExpressionError> {
        let mut arguments = self.arguments()?;
        let takes = |what: &str| self.error_at(column, format!("{name}() takes {what}"));
        match (name, arguments.as_mut_slice()) {
            ("exists", [Node::Field(slot)]) => return Ok(Node::Exists(*slot)),
            ("exists", _) => return Err(takes("one field path, for instance exists(/amount)")),
            ("field", [Node::Text(path)]) => {
                let path = path.parse().map_err(|reason| self.error_at(column, format!("{reason}")))?;
                return Ok(Node::Field(self.fields.add(&path)));
            }
            ("field", _) => return Err(takes("one field path in quotes, for instance field(\"/total amount\")")),
            ("key", []) => return Ok(Node::Key),
            ("timestamp", []) => return Ok(Node::Timestamp),
            ("key" | "timestamp", _) => return Err(takes("nothing")),
            _ => {}
        }
        let Some(signature) = functions::find(name) else {
            let known = functions::names().collect::<Vec<_>>().join(", ");
            return Err(self.error_at(column, format!("there is no function `{name}`; there are {known}")));
        };
        let given = arguments.len();
        if given < signature.least || given > signature.most {
            return Err(takes(&format!("{}, not {given}", signature.takes())));
        }
        Ok(Node::Call(signature.function, arguments))
    }
}

fn comparison_of(token: &Token) -> Option<Comparison> {
    Some(match token {
        Token::Symbol("==") => Comparison::Equal,
        Token::Symbol("!=") => Comparison::NotEqual,
        Token::Symbol("<") => Comparison::Less,
        Token::Symbol("<=") => Comparison::LessOrEqual,
        Token::Symbol(">") => Comparison::Greater,
        Token::Symbol(">=") => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

fn one_or(mut nodes: Vec<Node>, many: fn(Vec<Node>) -> Node) -> Node {
    match nodes.pop() {
        Some(only) if nodes.is_empty() => only,
        Some(last) => {
            nodes.push(last);
            many(nodes)
        }
        None => many(nodes),
    }
}
