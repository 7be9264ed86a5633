//! The requests of S3's API that are understood.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    bucket::Bucket,
    dates,
    http::{Answer, Head},
};

/// Objects in a page of a listing.
const PAGE: usize = 1000;

/// Does what a request asks for.
pub(super) fn answer(head: &Head, body: &[u8], bucket: &mut Bucket) -> Answer {
    let upload = head.parameter("uploadId");
    match (head.method.as_str(), upload) {
        ("GET", _) if head.parameter("list-type") == Some("2") => list(head, bucket),
        ("GET" | "HEAD", _) => get(head, bucket),
        ("PUT", Some(upload)) => put_part(head, upload, body, bucket),
        ("PUT", None) => put(head, body.into(), bucket),
        ("POST", Some(upload)) => complete(head, upload, bucket),
        ("POST", None) if head.parameter("uploads").is_some() => {
            let id = bucket.begin_upload();
            Answer::xml(&format!(
                "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
            ))
        }
        ("POST", None) if head.parameter("delete").is_some() => delete_all(head, body, bucket),
        ("DELETE", Some(upload)) => {
            bucket.take_upload(upload);
            Answer::empty(204)
        }
        ("DELETE", None) => {
            bucket.delete(&head.path);
            Answer::empty(204)
        }
        (method, _) => Answer::error(501, "NotImplemented", &format!("{method} of this kind")),
    }
}

fn get(head: &Head, bucket: &Bucket) -> Answer {
    let Some(object) = bucket.get(&head.path) else {
        return Answer::error(404, "NoSuchKey", "there is no such object");
    };
    let all = Answer { status: 200, headers: Vec::new(), body: object.bytes.clone() };
    let answer = match head.header("range").map(|range| part(range, object.bytes.len())) {
        None => all,
        Some(None) => return Answer::error(416, "InvalidRange", "there is no such range"),
        Some(Some((first, end))) => {
            let bytes = object.bytes.get(first..end).unwrap_or_default().into();
            Answer { status: 206, headers: Vec::new(), body: bytes }
                .with("content-range", format!("bytes {first}-{}/{}", end - 1, object.bytes.len()))
        }
    };
    answer.with("etag", &object.tag).with("last-modified", dates::http(object.modified))
}

/// First byte and the one after the last of `bytes=1-5`, `bytes=1-` or `bytes=-5`.
fn part(range: &str, length: usize) -> Option<(usize, usize)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (first, end) = match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) => (first, length.min(last + 1)),
        (Ok(first), Err(_)) => (first, length),
        (Err(_), Ok(count)) => (length.saturating_sub(count), length),
        (Err(_), Err(_)) => return None,
    };
    (first < end).then_some((first, end))
}

fn is_if_absent(head: &Head) -> bool {
    head.header("if-none-match") == Some("*")
}

fn put(head: &Head, bytes: Arc<[u8]>, bucket: &mut Bucket) -> Answer {
    match bucket.put(&head.path, bytes, is_if_absent(head)) {
        Some(tag) => Answer::empty(200).with("etag", tag),
        None => Answer::error(412, "PreconditionFailed", "there is an object of this name"),
    }
}

fn no_such_upload() -> Answer {
    Answer::error(404, "NoSuchUpload", "there is no such upload")
}

fn put_part(head: &Head, upload: &str, body: &[u8], bucket: &mut Bucket) -> Answer {
    let number = head.parameter("partNumber").and_then(|number| number.parse().ok());
    let Some(number) = number else { return Answer::error(400, "InvalidArgument", "the part has no number") };
    match bucket.put_part(upload, number, body.into()) {
        Some(tag) => Answer::empty(200).with("etag", tag),
        None => no_such_upload(),
    }
}

/// All parts that came are those of the object: clients of tests do not leave any out.
fn complete(head: &Head, upload: &str, bucket: &mut Bucket) -> Answer {
    if is_if_absent(head) && bucket.get(&head.path).is_some() {
        return Answer::error(412, "PreconditionFailed", "there is an object of this name");
    }
    let Some(bytes) = bucket.take_upload(upload) else { return no_such_upload() };
    let tag = bucket.put(&head.path, bytes, false).unwrap_or_default();
    Answer::xml(&format!("<CompleteMultipartUploadResult><ETag>{tag}</ETag></CompleteMultipartUploadResult>"))
}

fn delete_all(head: &Head, body: &[u8], bucket: &mut Bucket) -> Answer {
    let body = String::from_utf8_lossy(body);
    let mut deleted = String::new();
    for key in body.split("<Key>").skip(1).filter_map(|rest| rest.split_once("</Key>")).map(|(key, _)| key) {
        let name = key.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
        bucket.delete(&format!("{}/{name}", head.path.trim_end_matches('/')));
        deleted += &format!("<Deleted><Key>{key}</Key></Deleted>");
    }
    Answer::xml(&format!("<DeleteResult>{deleted}</DeleteResult>"))
}

fn list(head: &Head, bucket: &Bucket) -> Answer {
    let root = format!("{}/", head.path.trim_end_matches('/'));
    let parameter = |name| head.parameter(name).unwrap_or_default();
    let prefix = format!("{root}{}", parameter("prefix"));
    let after = parameter("start-after").max(parameter("continuation-token"));
    let after = if after.is_empty() { String::new() } else { format!("{root}{after}") };
    let delimiter = head.parameter("delimiter").filter(|delimiter| !delimiter.is_empty());
    let mut contents = String::new();
    let mut directories = BTreeSet::new();
    let mut listed = 0;
    let mut last = None;
    for (path, object) in bucket.list(&prefix, &after) {
        if listed == PAGE {
            break;
        }
        last = Some(path);
        let name = path.strip_prefix(&root).unwrap_or(path);
        let rest = path.strip_prefix(&prefix).unwrap_or_default();
        if let Some((directory, _)) = delimiter.and_then(|delimiter| rest.split_once(delimiter)) {
            directories.insert(format!("{}{directory}{}", parameter("prefix"), delimiter.unwrap_or_default()));
            continue;
        }
        listed += 1;
        contents += &format!(
            "<Contents><Key>{}</Key><LastModified>{}</LastModified><ETag>{}</ETag><Size>{}</Size></Contents>",
            escaped(name),
            dates::iso(object.modified),
            escaped(&object.tag),
            object.bytes.len()
        );
    }
    let more = last.filter(|_| listed == PAGE).and_then(|last| last.strip_prefix(&root));
    let token = more
        .map_or_else(String::new, |token| format!("<NextContinuationToken>{}</NextContinuationToken>", escaped(token)));
    let prefixes: String = directories
        .iter()
        .map(|directory| format!("<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", escaped(directory)))
        .collect();
    Answer::xml(&format!("<ListBucketResult>{contents}{prefixes}{token}</ListBucketResult>"))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
