//! Fenced blocks of Markdown pages, and the commands in them.

/// The words between which a shell starts another program.
const SEPARATORS: [&str; 4] = ["|", "&&", "||", ";"];

/// A fenced block of a Markdown page.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Block<'a> {
    /// The line of the opening fence, from 1.
    pub line: usize,
    /// The language after the fence, without attributes such as `no_run`; empty if there is none.
    pub language: &'a str,
    /// The lines between the fences.
    pub lines: Vec<&'a str>,
}

/// A command of a block: the start of one program.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Command {
    /// The line of its beginning, from 1.
    pub line: usize,
    /// The program and its arguments, without variables before it and redirections after it.
    pub words: Vec<String>,
}

/// Returns the blocks of a page.
#[must_use]
pub fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let mut is_open = false;
    for (line, text) in (1..).zip(text.lines()) {
        if let Some(info) = text.trim_start().strip_prefix("```") {
            if !is_open {
                let language = info.split([',', ' ']).next().unwrap_or_default();
                blocks.push(Block { line, language, lines: Vec::new() });
            }
            is_open = !is_open;
        } else if let Some(block) = blocks.last_mut().filter(|_| is_open) {
            block.lines.push(text);
        }
    }
    blocks
}

impl Block<'_> {
    /// Returns the commands of a block in the language `sh`, or `console`, whose commands follow a prompt `$ `. None for
    /// other languages.
    #[must_use]
    pub fn commands(&self) -> Vec<Command> {
        let prompt = match self.language {
            "console" => "$ ",
            "sh" => "",
            _ => return Vec::new(),
        };
        let mut commands = Vec::new();
        let mut lines = (self.line + 1..).zip(&self.lines);
        while let Some((line, text)) = lines.next() {
            let Some(text) = text.trim_start().strip_prefix(prompt) else { continue };
            let mut text = text.to_owned();
            // A backslash or an open quote continues a command on the next line.
            let words = loop {
                let begun = text.strip_suffix('\\').unwrap_or(&text);
                if let (Some(words), false) = (shlex::split(begun), text.ends_with('\\')) {
                    break words;
                }
                let Some((_, more)) = lines.next() else { break Vec::new() };
                text = format!("{begun}\n{}", more.trim_start());
            };
            for words in words.split(|word| SEPARATORS.contains(&word.as_str())) {
                let words = words.iter().skip_while(|word| is_assignment(word));
                let words: Vec<_> = words.take_while(|word| !word.starts_with('>')).cloned().collect();
                if !words.is_empty() {
                    commands.push(Command { line, words });
                }
            }
        }
        commands
    }
}

fn is_assignment(word: &str) -> bool {
    let is_name =
        |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    word.split_once('=').is_some_and(|(name, _)| is_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(page: &str) -> Vec<String> {
        let commands = blocks(page).iter().flat_map(Block::commands).collect::<Vec<_>>();
        commands.iter().map(|Command { line, words }| format!("{line}: {}", words.join("·"))).collect()
    }

    #[test]
    fn blocks_have_their_language_and_line() {
        let page = "# A\n```rust,no_run\nfn main() {}\n```\n- b\n\n  ```\n  out\n  ```\n";
        let found = blocks(page);
        let found: Vec<_> =
            found.iter().map(|block| (block.line, block.language, block.lines.len())).collect();
        assert_eq!(found, [(2, "rust", 1), (7, "", 1)]);
    }

    #[test]
    fn a_session_has_commands_and_output() {
        let page = "```console\n$ cargo xtask ci   # all checks\nci passed\n   $ a 'b c' \\\n   --d\n```\n```text\n$ no\n```\n";
        assert_eq!(commands(page), ["2: cargo·xtask·ci", "4: a·b c·--d"]);
    }

    #[test]
    fn each_program_of_a_script_is_a_command() {
        let page = "```sh\n# a comment\n\nA_B=1 x --y | z - > out && jq '{\n  a }'\nA=1\n```\n";
        assert_eq!(commands(page), ["4: x·--y", "4: z·-", "4: jq·{\na }"]);
        assert_eq!(commands("```sh\nx 'unclosed\n```\n"), Vec::<String>::new());
    }
}
