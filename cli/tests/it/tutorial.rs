//! The commands of the tutorial, as they stand there.

use crate::bowline::{Place, mini8};
use std::{fs, path::Path};

/// The commands of the blocks of shell in a document, each in a line.
fn commands(document: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(document);
    let text = fs::read_to_string(path).unwrap();
    let blocks = text.split("```sh\n").skip(1).filter_map(|block| block.split("```").next());
    let joined: String = blocks.collect::<String>().replace("\\\n", " ");
    joined.lines().map(str::trim).filter(|line| line.starts_with("bowline ")).map(str::to_owned).collect()
}

#[test]
fn every_command_of_the_tutorial_succeeds() {
    let place = Place::new();
    fs::remove_file(place.path("sweep.yaml")).unwrap();
    fs::create_dir(place.path("examples")).unwrap();
    std::os::unix::fs::symlink(mini8(), place.path("examples/mini8")).unwrap();
    let commands = commands("tutorial.md");
    assert_eq!(commands.len(), 7, "{commands:?}");
    let mut name = String::new();
    for command in commands {
        let command = command.replace("NAME", &name);
        let mut args: Vec<&str> = command.split_whitespace().skip(1).collect();
        if args[0] == "run" {
            // The whole portfolio takes minutes in a test build.
            args.extend(["-o", "parameters={preset: [task_arithmetic, tsv]}"]);
        }
        let ran = place.run(&args);
        assert_eq!(ran.code, Some(0), "{command}: {ran:?}");
        if args[0] == "init" {
            let draft = fs::read_to_string(place.path("sweep.yaml")).unwrap();
            name = draft.lines().find_map(|line| line.strip_prefix("name: ")).unwrap().to_owned();
        }
    }
    let sweep = place.path("bowline-results/sweeps").join(name);
    assert!(sweep.join("report.html").is_file() && sweep.join("best/adapter_config.json").is_file());
}
