/// The fewest columns of a name's beginning and of its end where both are kept.
const LEAST: usize = 2;

/// The names in at most `width` columns each. Names that would look the same keep their ends as well; the positions tell apart those
/// that are still the same.
pub(super) fn shortened(names: &[&str], width: usize) -> Vec<String> {
    let mut short: Vec<String> = names.iter().map(|name| beginning(name, width)).collect();
    for index in 0..names.len() {
        let alike: Vec<usize> = (index..names.len()).filter(|other| short[*other] == short[index]).collect();
        if alike.iter().all(|other| names[*other] == names[index]) {
            continue;
        }
        let ends = (LEAST..width.saturating_sub(LEAST))
            .map(|end| -> Vec<String> { alike.iter().map(|other| both_ends(names[*other], width, end)).collect() });
        let are_apart = |shown: &Vec<String>| {
            let is_apart = |(place, text): (usize, &String)| {
                let same_name = |other: usize| names[alike[other]] == names[alike[place]];
                !short.contains(text) && (0..place).all(|other| shown[other] != *text || same_name(other))
            };
            shown.iter().enumerate().all(is_apart)
        };
        let by_position = || alike.iter().map(|other| numbered(names[*other], width, *other)).collect();
        let apart = ends.into_iter().find(are_apart).unwrap_or_else(by_position);
        for (other, shown) in alike.into_iter().zip(apart) {
            short[other] = shown;
        }
    }
    short
}

fn beginning(name: &str, width: usize) -> String {
    if name.chars().count() <= width {
        return name.to_owned();
    }
    name.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// The name with its last `end` characters.
fn both_ends(name: &str, width: usize, end: usize) -> String {
    let count = name.chars().count();
    if count <= width {
        return name.to_owned();
    }
    name.chars().take(width.saturating_sub(end + 1)).chain(['…']).chain(name.chars().skip(count - end)).collect()
}

fn numbered(name: &str, width: usize, index: usize) -> String {
    let index = index.to_string();
    let room = width.saturating_sub(index.chars().count() + 1);
    format!("{}…{index}", name.chars().take(room).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_look_the_same_keep_what_tells_them_apart() {
        let names = ["agreement direction 0.01", "agreement direction 0.03", "agreement layer 0.01", "TIES"];
        let short = shortened(&names, 22);
        assert_eq!(short, ["agreement direction…01", "agreement direction…03", "agreement layer 0.01", "TIES"]);
    }

    #[test]
    fn one_name_alone_keeps_its_beginning() {
        assert_eq!(shortened(&["learned per direction from labels", "TIES"], 22), ["learned per direction…", "TIES"]);
        assert_eq!(shortened(&["ÄÖÜÄÖÜ"], 4), ["ÄÖÜ…"]);
    }

    #[test]
    fn the_end_grows_until_names_differ() {
        let names = ["a long name with 1 point", "a long name with 2 point"];
        assert_eq!(shortened(&names, 12), ["a lo…1 point", "a lo…2 point"]);
    }

    #[test]
    fn names_that_differ_in_the_middle_alone_are_told_apart_by_their_positions() {
        let names = ["aaaaaaaaaaaa1bbbbbbbbbbbb", "aaaaaaaaaaaa2bbbbbbbbbbbb"];
        assert_eq!(shortened(&names, 8), ["aaaaaa…0", "aaaaaa…1"]);
    }

    #[test]
    fn equal_names_stay_equal() {
        assert_eq!(shortened(&["a name that is long"; 2], 8), ["a name …", "a name …"]);
    }
}
