//! nginx's words. Given the text of a configuration file, it gives words and punctuation, each with its line; what
//! a word means is never its business. The rules are those of nginx's `ngx_conf_read_token`: quotes and comments
//! open only where a word may begin, a brace closes a word only when it opens a block, `${` does not.

/// A word, or the punctuation between words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// A directive's name or argument, its quotes and escapes resolved.
    Word(String),
    /// `;`
    End,
    /// `{`
    Open,
    /// `}`
    Close,
}

/// Reads tokens from a text, one after the other.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    line: u32,
    after_quote: bool,
}

/// Why no token could be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The text ended where a token may begin.
    Finished,
    /// The text ended inside a word.
    Cut,
    /// This character cannot stand here.
    Unexpected(char),
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { rest: text.chars().peekable(), line: 1, after_quote: false }
    }

    /// The line of the character last read.
    pub(crate) fn line(&self) -> u32 {
        self.line
    }

    /// The next token.
    pub(crate) fn token(&mut self) -> Result<Token, Stop> {
        let first = self.first()?;
        self.after_quote = false;
        match first {
            ';' => Ok(Token::End),
            '{' => Ok(Token::Open),
            '}' => Ok(Token::Close),
            '"' | '\'' => {
                self.after_quote = true;
                self.quoted(first)
            }
            _ => self.bare(first),
        }
    }

    /// The first character of a token, past white space and comments.
    fn first(&mut self) -> Result<char, Stop> {
        loop {
            let c = self.read().ok_or(Stop::Finished)?;
            match c {
                ' ' | '\t' | '\r' | '\n' => self.after_quote = false,
                ';' | '{' => return Ok(c),
                _ if self.after_quote => return Err(Stop::Unexpected(c)),
                '#' => while self.read().is_some_and(|c| c != '\n') {},
                _ => return Ok(c),
            }
        }
    }

    fn bare(&mut self, first: char) -> Result<Token, Stop> {
        let mut word = String::new();
        let mut c = first;
        loop {
            match c {
                '\\' => self.escape(&mut word)?,
                _ => word.push(c),
            }
            let in_variable = c == '$';
            match self.rest.peek() {
                None => return Err(Stop::Cut),
                Some(' ' | '\t' | '\r' | '\n' | ';') => return Ok(Token::Word(word)),
                Some('{') if !in_variable => return Ok(Token::Word(word)),
                Some(_) => c = self.read().ok_or(Stop::Cut)?,
            }
        }
    }

    fn quoted(&mut self, quote: char) -> Result<Token, Stop> {
        let mut word = String::new();
        loop {
            match self.read().ok_or(Stop::Cut)? {
                '\\' => self.escape(&mut word)?,
                c if c == quote => return Ok(Token::Word(word)),
                c => word.push(c),
            }
        }
    }

    /// What follows a backslash: a quote, a backslash, a control character, or else the backslash itself stays.
    fn escape(&mut self, word: &mut String) -> Result<(), Stop> {
        match self.read().ok_or(Stop::Cut)? {
            c @ ('"' | '\'' | '\\') => word.push(c),
            't' => word.push('\t'),
            'r' => word.push('\r'),
            'n' => word.push('\n'),
            c => word.extend(['\\', c]),
        }
        Ok(())
    }

    fn read(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> (Vec<Token>, Stop) {
        let mut lexer = Lexer::new(text);
        let mut tokens = Vec::new();
        loop {
            match lexer.token() {
                Ok(token) => tokens.push(token),
                Err(stop) => return (tokens, stop),
            }
        }
    }

    #[test]
    fn words_are_cut_where_nginx_cuts_them() {
        let word = |text: &str| Token::Word(text.to_owned());
        let rows = [
            ("", vec![], Stop::Finished),
            ("# all of it", vec![], Stop::Finished),
            ("a b;", vec![word("a"), word("b"), Token::End], Stop::Finished),
            ("a#b;", vec![word("a#b"), Token::End], Stop::Finished),
            ("a{}", vec![word("a"), Token::Open, Token::Close], Stop::Finished),
            ("a} ;", vec![word("a}"), Token::End], Stop::Finished),
            ("${a}b;", vec![word("${a}b"), Token::End], Stop::Finished),
            (r#""a b" 'c"';"#, vec![word("a b"), word("c\""), Token::End], Stop::Finished),
            (r#""\"\t\d" a\ b;"#, vec![word("\"\t\\d"), word("a\\ b"), Token::End], Stop::Finished),
            ("'';", vec![word(""), Token::End], Stop::Finished),
            ("a", vec![], Stop::Cut),
            ("'a", vec![], Stop::Cut),
            (r#""a"b;"#, vec![word("a")], Stop::Unexpected('b')),
        ];
        for (text, tokens, stop) in rows {
            assert_eq!(words(text), (tokens, stop), "{text}");
        }
    }
}
