use millstream_types::Digest;
use proptest::prelude::*;

use super::{Language, Script, ScriptError, SourceFile};

fn file(path: &str, content: &str) -> SourceFile {
    SourceFile { path: path.into(), content: content.into() }
}

fn two() -> Script {
    let files = vec![file("operator.py", "import lib.rates\n"), file("lib/rates.py", "X = 1\n")];
    Script::new(Language::Python, "operator.py", files).expect("a script")
}

#[test]
fn a_packed_script_is_the_same_again_and_the_same_bytes_each_time() {
    let script = two().run_by(Digest([7; 32]));
    let packed = script.pack().expect("bytes");
    assert!(Script::is_packed(&packed));
    assert_eq!(Script::unpack(&packed), Ok(script));
    let turned = two().files().iter().rev().cloned().collect();
    let turned = Script::new(Language::Python, "operator.py", turned).expect("a script").run_by(Digest([7; 32]));
    assert_eq!(turned.pack().expect("bytes"), packed);
    assert_ne!(two().pack().expect("bytes"), packed, "the interpreter counts");
}

#[test]
fn an_archive_of_tar_itself_is_taken() {
    let directory = std::env::temp_dir().join(format!("millstream-script-{}", std::process::id()));
    std::fs::create_dir_all(directory.join("lib")).expect("a directory");
    std::fs::write(directory.join("main.ts"), "export default 1;").expect("a file");
    std::fs::write(directory.join("lib/a.ts"), "").expect("a file");
    let packed = std::process::Command::new("tar").args(["-cf", "-", "."]).current_dir(&directory).output();
    std::fs::remove_dir_all(&directory).expect("it was there");
    let script = Script::unpack(&packed.expect("tar runs").stdout).expect("a script");
    assert_eq!((script.language(), script.main()), (Language::JavaScript, "main.ts"));
    assert_eq!(script.files().iter().map(|file| &*file.path).collect::<Vec<_>>(), ["lib/a.ts", "main.ts"]);
}

#[test]
fn what_is_no_program_is_refused_with_the_reason() {
    let new = |main: &str, files: Vec<SourceFile>| Script::new(Language::Python, main, files).expect_err("refused");
    assert_eq!(new("a.py", vec![]), ScriptError::Files(0));
    assert_eq!(new("a.py", vec![file("b.py", "")]), ScriptError::MissingMain("a.py".into()));
    let twice = new("a.py", vec![file("a.py", ""), file("a.py", "x")]);
    assert_eq!(twice.to_string(), "`a.py` in it is there twice");
    for path in ["/a.py", "../a.py", "b//a.py", "b\\a.py", "millstream.json"] {
        assert!(matches!(new(path, vec![file(path, "")]), ScriptError::Entry { .. }), "{path}");
    }
    assert!(matches!(Script::unpack(b"\0asm"), Err(ScriptError::NotAnArchive(_))));
    let packed = two().pack().expect("bytes");
    assert!(Script::unpack(&packed[..packed.len() / 2]).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_a_script_or_an_error(at in 0_usize..4096, with in any::<u8>(), cut in 0_usize..4096) {
        let mut packed = two().pack().unwrap();
        let index = at % packed.len();
        packed[index] = with;
        packed.truncate(packed.len().saturating_sub(cut));
        let _ = Script::unpack(&packed);
    }
}
