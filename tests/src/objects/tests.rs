use ureq::Agent;

use super::*;

/// A client that knows nothing of retries.
struct Plain {
    agent: Agent,
    base: String,
}

/// Status, and body where one came whole.
type Got = (u16, Option<String>);

impl Plain {
    fn of(server: &ObjectServer) -> Self {
        let agent = Agent::config_builder().http_status_as_error(false).build().new_agent();
        Self { agent, base: format!("http://127.0.0.1:{}", server.port) }
    }

    fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Result<Got> {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}/{target}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.to_owned())?;
        let request = self.agent.configure_request(request).allow_non_standard_methods(true).build();
        let mut answer = self.agent.run(request)?;
        Ok((answer.status().as_u16(), answer.body_mut().read_to_string().ok()))
    }

    fn ok(&self, method: &str, target: &str, body: &str) -> String {
        let (status, text) = self.send(method, target, &[], body).expect("an answer");
        assert!((200..300).contains(&status), "{method} {target}: {status} {text:?}");
        text.expect("a whole body")
    }
}

#[test]
fn objects_are_created_once_read_in_parts_listed_and_deleted() {
    let server = ObjectServer::start().expect("a store");
    let client = Plain::of(&server);
    let absent = [("if-none-match", "*")];
    assert_eq!(client.send("PUT", "b/out/a%20b", &absent, "12345").expect("an answer").0, 200);
    assert_eq!(client.send("PUT", "b/out/a%20b", &absent, "other").expect("an answer").0, 412);
    assert_eq!(client.ok("GET", "b/out/a%20b", ""), "12345");
    let (status, part) = client.send("GET", "b/out/a%20b", &[("range", "bytes=1-2")], "").expect("an answer");
    assert_eq!((status, part.as_deref()), (206, Some("23")));
    assert_eq!(client.send("GET", "b/out/none", &[], "").expect("an answer").0, 404);
    for name in ["b/out/x/1", "b/out/x/2", "b/out/z", "b/other"] {
        client.ok("PUT", name, "!");
    }
    let listed = client.ok("GET", "b?list-type=2&prefix=out%2F&delimiter=%2F", "");
    assert!(listed.contains("<Key>out/a b</Key>") && listed.contains("<Prefix>out/x/</Prefix>"), "{listed}");
    assert!(listed.contains("<Key>out/z</Key>") && !listed.contains("x/1") && !listed.contains("other"), "{listed}");
    let listed = client.ok("GET", "b?list-type=2&prefix=out%2F&start-after=out%2Fx%2F1", "");
    assert!(!listed.contains("a b") && !listed.contains("x/1<") && listed.contains("x/2"), "{listed}");
    client.ok("POST", "b?delete", "<Delete><Object><Key>out/x/1</Key></Object></Delete>");
    client.ok("DELETE", "b/out/x/2", "");
    let names: Vec<String> = server.objects("b/out/").into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["b/out/a b", "b/out/z"]);
    assert_eq!(server.disturbed("b/"), ["b/out/x/1", "b/out/x/2"]);
}

#[test]
fn an_upload_in_parts_appears_as_a_whole() {
    let server = ObjectServer::start().expect("a store");
    let client = Plain::of(&server);
    let begun = client.ok("POST", "b/large?uploads", "");
    let id = begun.split(['<', '>']).find(|text| text.starts_with("upload-")).expect("an id");
    client.ok("PUT", &format!("b/large?partNumber=2&uploadId={id}"), "world");
    client.ok("PUT", &format!("b/large?partNumber=1&uploadId={id}"), "hello ");
    assert_eq!(client.send("GET", "b/large", &[], "").expect("an answer").0, 404);
    client.ok("POST", &format!("b/large?uploadId={id}"), "<CompleteMultipartUpload/>");
    assert_eq!(client.ok("GET", "b/large", ""), "hello world");
    assert!(server.disturbed("").is_empty());
}

#[test]
fn a_store_that_fails_does_nothing_unless_only_its_answer_is_lost() {
    let server = ObjectServer::start().expect("a store");
    let client = Plain::of(&server);
    client.ok("PUT", "b/there", "0123456789");
    for manner in [Manner::Refuses, Manner::Resets, Manner::Tears] {
        server.set(manner);
        let put = client.send("PUT", "b/new", &[], "bytes").map(|(status, _)| status);
        assert!(put.is_err() || put.is_ok_and(|status| status == 503), "{manner:?}");
        let got = client.send("GET", "b/there", &[], "");
        assert!(!matches!(got, Ok((200, Some(_)))), "{manner:?}: {got:?}");
        server.set(Manner::Answers);
        assert_eq!(client.send("GET", "b/new", &[], "").expect("an answer").0, 404, "{manner:?}");
    }
    assert_eq!(server.spoiled(), 6);
    server.set(Manner::LosesAnswers);
    assert!(client.send("PUT", "b/new", &[], "bytes").is_err());
    server.set(Manner::Slow(Duration::from_millis(30)));
    let began = std::time::Instant::now();
    assert_eq!(client.ok("GET", "b/new", ""), "bytes");
    assert!(began.elapsed() >= Duration::from_millis(30));
    server.set(Manner::Moody(3));
    let met = (0..30).filter(|_| client.send("GET", "b/new", &[], "").is_ok_and(|got| got.0 == 200)).count();
    assert!((20..30).contains(&met), "{met} of 30 were answered");
}
