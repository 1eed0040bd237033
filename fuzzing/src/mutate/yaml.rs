//! Changes of YAML: of lines, words, anchors and depth.

use super::{bytes, json, numbers, one};
use fastrand::Rng;

pub(super) fn mutate(rng: &mut Rng, input: &[u8]) -> Vec<u8> {
    if input.first() == Some(&b'{') && rng.u8(0..4) > 0 {
        return json::mutate(rng, input);
    }
    let Ok(text) = str::from_utf8(input) else { return bytes::mutate(rng, input, &[]) };
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if lines.is_empty() {
        lines.push("name: x".to_owned());
    }
    let at = rng.usize(0..lines.len());
    match rng.u8(0..12) {
        0..=4 => lines[at] = word(rng, &lines[at]),
        5 => drop(lines.remove(at)),
        6 => lines.insert(at, lines[at].clone()),
        7 => {
            let with = rng.usize(0..lines.len());
            lines.swap(at, with);
        }
        8 => lines[at] = format!("{}{}", " ".repeat(rng.usize(0..9)), lines[at].trim_start()),
        9 if rng.bool() => lines.insert(at, bomb(rng)),
        10 => lines[at] = valued(rng, &lines[at]),
        _ => lines[at]
            .insert_str(0, one(rng, &["- ", "\t", "? ", "--- ", "...", "%YAML 1.1\n", "<<: *a\n", "&a ", "!!binary "])),
    }
    lines.join("\n").into_bytes()
}

/// Another word in place of one of a line.
fn word(rng: &mut Rng, line: &str) -> String {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '/');
    let words: Vec<&str> = line.split(|c| !is_word(c)).filter(|word| !word.is_empty()).collect();
    let Some(old) = rng.choice(words) else { return line.to_owned() };
    let new = match rng.u8(0..3) {
        0 => numbers::text(rng).to_owned(),
        1 => json::changed_text(rng, old),
        _ => one(
            rng,
            &[
                "~",
                "null",
                "yes",
                "[]",
                "{}",
                ".nan",
                ".inf",
                "-.inf",
                "0x10",
                "0o17",
                "1_000",
                "\"\"",
                "|",
                ">-",
                "*a",
                "&a x",
                "!!str 1",
                "hf://a/b",
                "s3://b/k",
                "[1, 2]",
                "{min: 0, max: 1, step: 1e-300}",
                "{min: 0, max: 1e9, step: 1}",
            ],
        )
        .to_owned(),
    };
    line.replacen(old, &new, 1)
}

/// Another value behind the key of a line.
fn valued(rng: &mut Rng, line: &str) -> String {
    let key = line.split(':').next().unwrap_or_default();
    format!(
        "{key}: {}",
        one(
            rng,
            &[
                "",
                "[",
                "{a: b}",
                "[1, 2, 3]",
                "{min: -1, max: 1, step: 0}",
                "{min: 1, max: 0, step: 1e-18}",
                "{values: []}",
                "1e400"
            ]
        )
    )
}

/// What grows or lies deeper than it looks.
fn bomb(rng: &mut Rng) -> String {
    let levels = [60, 1000, 100_000][rng.usize(0..3)];
    match rng.u8(0..6) {
        0 => format!("x: {}{}", "[".repeat(levels), "]".repeat(levels)),
        1 => format!("x: {}", "{a: ".repeat(levels)),
        2 => "- ".repeat(levels),
        3 => {
            let rows = (1..9).map(|n| format!("a{n}: &a{n} [{}]", vec![format!("*a{}", n - 1); 10].join(", ")));
            ["a0: &a0 [x, x, x, x, x, x, x, x]".to_owned()].into_iter().chain(rows).collect::<Vec<_>>().join("\n")
        }
        4 => {
            let rows = (0..levels.min(2000)).map(|n| format!("{}a{n}:", " ".repeat(n)));
            rows.collect::<Vec<_>>().join("\n")
        }
        _ => "a: &a\n  b: *a".to_owned(),
    }
}
