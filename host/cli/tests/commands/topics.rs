use crate::harness::Place;

#[test]
fn records_are_written_and_read() {
    let place = Place::new();
    place.run(&["topic", "create", "t", "--partitions", "1"]).expect(0);
    let again = place.run(&["topic", "create", "t", "--output", "json"]).expect(0).json();
    assert_eq!(again["created"], false);
    place.run(&["topic", "create", "t", "--partitions", "3"]).expect(1);

    let wrote = place.run_with(&["topic", "produce", "t", "--key", "/id"], "{\"id\":7}\n\n{\"id\":\"x\"}\n").expect(0);
    assert_eq!(wrote.stdout, "wrote 2 records to `t`\n");
    place.run_with(&["topic", "produce", "t", "--separator", "="], "k=v=w\n").expect(0);
    let line = "{\"key\":null,\"value\":{\"hex\":\"ff\"},\"timestamp_ms\":5,\"headers\":{\"h\":\"1\"}}\n";
    place.run_with(&["topic", "produce", "t", "--format", "record"], line).expect(0);

    let values = place.run(&["topic", "consume", "t", "--keys"]).expect(0);
    assert_eq!(values.lines(), ["7\t{\"id\":7}", "x\t{\"id\":\"x\"}", "k\tv=w", "null\t{\"hex\":\"ff\"}"]);
    let json = place.run(&["topic", "consume", "t", "--output", "json", "-n", "1"]).expect(0).json();
    assert_eq!((&json["offset"], &json["key"], &json["value"]), (&0.into(), &"7".into(), &"{\"id\":7}".into()));

    let list = place.run(&["topic", "list", "--output", "json"]).expect(0).json();
    assert_eq!((&list[0]["topic"], &list[0]["records"]), (&"t".into(), &4.into()));
    place.run(&["topic", "delete", "t"]).expect(0);
    place.run(&["topic", "delete", "t"]).expect(1);
}

#[test]
fn a_wrong_line_is_named_and_what_came_before_it_is_kept() {
    let place = Place::new();
    place.run(&["topic", "create", "t"]).expect(0);
    let refused =
        place.run_with(&["topic", "produce", "t", "--key", "/id"], "{\"id\":1}\n{\"no\":1}\n{\"id\":2}\n").expect(2);
    assert!(
        refused.stderr.contains("line 2: ") && refused.stderr.contains("the 1 records before it"),
        "{}",
        refused.stderr
    );
    assert_eq!(place.run(&["topic", "consume", "t"]).expect(0).lines(), ["{\"id\":1}"]);
    let missing = place.run_with(&["topic", "produce", "nowhere"], "x\n").expect(1);
    assert!(missing.stderr.contains("there is no topic `nowhere`"), "{}", missing.stderr);
}
