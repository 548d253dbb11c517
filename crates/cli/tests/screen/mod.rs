//! What a terminal shows after an output: the lines, as cursor movements and erasures leave them.

/// Returns the lines that are not empty, of a terminal that is wide and high enough for all of the output.
///
/// # Panics
/// Panics at a control sequence that is not one of those that move the cursor up and down, erase a line, or set
/// colours.
pub(crate) fn lines(output: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![vec![' '; columns]];
    let (mut row, mut column) = (0_usize, 0_usize);
    let mut rest = output.chars();
    while let Some(c) = rest.next() {
        match c {
            '\r' => column = 0,
            '\n' => row += 1,
            '\u{1b}' => {
                // A sequence that is still to come is not displayed.
                if rest.next() != Some('[') {
                    break;
                }
                let mut number = String::new();
                let end = loop {
                    match rest.next() {
                        Some(digit) if digit.is_ascii_digit() || digit == ';' => number.push(digit),
                        end => break end,
                    }
                };
                let count = number.parse().unwrap_or(1);
                match end {
                    Some('A') => row = row.saturating_sub(count),
                    Some('B') => row += count,
                    Some('K') => lines[row].fill(' '),
                    Some('m') => {}
                    None => break,
                    Some(other) => panic!("an unknown control sequence: ESC [ {number} {other}"),
                }
            }
            c => {
                // As terminals do, a line is only continued by a character.
                if column == columns {
                    (row, column) = (row + 1, 0);
                }
                while lines.len() <= row {
                    lines.push(vec![' '; columns]);
                }
                lines[row][column] = c;
                column += 1;
            }
        }
        while lines.len() <= row {
            lines.push(vec![' '; columns]);
        }
    }
    let lines = lines.into_iter().map(|line| line.into_iter().collect::<String>().trim_end().to_owned());
    lines.filter(|line| !line.is_empty()).collect()
}
