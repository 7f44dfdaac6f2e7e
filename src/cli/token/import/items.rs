//! Files of tokens to be imported. What is wrong with one is told by its line and never by its words: they may be secrets.

use prost::Message as _;
use prost_reflect::{DescriptorPool, DeserializeOptions, DynamicMessage, MessageDescriptor};
use serde_json::{Map, Value};

use crate::cli::failure::Failure;
use crate::proto::{FILE_DESCRIPTOR_SET, v1};

/// What to do about a file that is none.
pub(super) const HINT: &str = "`token import --help` describes the file";
/// The message that an item is.
const ITEM: &str = "tokenauthority.v1.ImportItem";
/// Its fields that hold lists.
const LISTS: [&str; 3] = ["permissions", "apis", "allowed_cidrs"];

/// An item, and the line that it begins at.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) line: usize,
    pub(super) item: v1::ImportItem,
}

/// One item a line, as the API's own JSON. Empty lines are passed over.
pub(super) fn of_json_lines(text: &str) -> Result<Vec<Item>, Failure> {
    let descriptor = descriptor()?;
    let lines = unmarked(text).lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    let items = lines.map(|(number, from)| {
        let line = number + 1;
        let value = serde_json::from_str(from).ok();
        let item = value.and_then(|value| item(&descriptor, value));
        item.map(|item| Item { line, item })
            .ok_or_else(|| fault(line, "is no item as JSON"))
    });
    some(items.collect::<Result<_, _>>()?)
}

/// Comma-separated values (RFC 4180), the first line the names of the fields.
pub(super) fn of_csv(text: &str) -> Result<Vec<Item>, Failure> {
    let descriptor = descriptor()?;
    let mut records = records(unmarked(text))?.into_iter();
    let names = records.next().map(|(_, names)| names).unwrap_or_default();
    for name in &names {
        if descriptor.get_field_by_name(name).is_none() {
            return Err(fault(1, "names a field that there is not"));
        }
    }
    let items = records.map(|(line, values)| {
        if values.len() != names.len() {
            return Err(fault(
                line,
                "has not as many values as the first line has names",
            ));
        }
        let fields = names.iter().zip(values);
        let fields = fields.filter(|(_, value)| !value.is_empty());
        let fields: Map<String, Value> = fields
            .map(|(name, value)| (name.clone(), typed(name, value)))
            .collect();
        let item = item(&descriptor, Value::Object(fields));
        item.map(|item| Item { line, item })
            .ok_or_else(|| fault(line, "holds a value that its field does not take"))
    });
    some(items.collect::<Result<_, _>>()?)
}

/// A text without the byte order mark that spreadsheets begin it with.
fn unmarked(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

fn item(descriptor: &MessageDescriptor, from: Value) -> Option<v1::ImportItem> {
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    let message =
        DynamicMessage::deserialize_with_options(descriptor.clone(), from, &options).ok()?;
    v1::ImportItem::decode(message.encode_to_vec().as_slice()).ok()
}

/// A value as JSON has it.
fn typed(name: &str, value: String) -> Value {
    const RIGHT: &str = "ACCESS_RIGHT_";
    match name {
        "suspended" => value.parse().map_or(Value::String(value), Value::Bool),
        "access_right" if !value.starts_with(RIGHT) => {
            Value::String(format!("{RIGHT}{}", value.to_uppercase().replace('-', "_")))
        }
        name if LISTS.contains(&name) => value.split_whitespace().collect(),
        _ => Value::String(value),
    }
}

/// The records of a file, each with the line that it begins at; those of nothing are passed over.
fn records(text: &str) -> Result<Vec<(usize, Vec<String>)>, Failure> {
    let mut records = Vec::new();
    let (mut line, mut begins) = (1, 1);
    let (mut record, mut value) = (Vec::new(), String::new());
    let (mut quoted, mut was_quoted) = (false, false);
    let mut characters = text.chars().peekable();
    loop {
        let next = characters.next();
        match next {
            Some('"') if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                value.push('"');
            }
            Some('"') if quoted => quoted = false,
            Some('"') if value.is_empty() && !was_quoted => (quoted, was_quoted) = (true, true),
            None if quoted => return Err(fault(begins, "opens a quote that is not closed")),
            Some(character) if quoted => {
                line += usize::from(character == '\n');
                value.push(character);
            }
            Some('\r') if characters.peek() == Some(&'\n') => {}
            Some(',') => {
                record.push(std::mem::take(&mut value));
                was_quoted = false;
            }
            Some('\n') | None => {
                let nothing = record.is_empty() && value.is_empty() && !was_quoted;
                record.push(std::mem::take(&mut value));
                let record = std::mem::take(&mut record);
                if !nothing {
                    records.push((begins, record));
                }
                line += 1;
                (begins, was_quoted) = (line, false);
                if next.is_none() {
                    return Ok(records);
                }
            }
            Some(_) if was_quoted => return Err(fault(begins, "goes on behind a closing quote")),
            Some(character) => value.push(character),
        }
    }
}

fn descriptor() -> Result<MessageDescriptor, Failure> {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).map_err(std::io::Error::other)?;
    let descriptor = pool.get_message_by_name(ITEM);
    Ok(descriptor.ok_or_else(|| std::io::Error::other(ITEM))?)
}

fn some(items: Vec<Item>) -> Result<Vec<Item>, Failure> {
    if items.is_empty() {
        return Err(Failure::usage("there are no items", HINT));
    }
    Ok(items)
}

fn fault(line: usize, why: &str) -> Failure {
    Failure::usage(format!("line {line} {why}; nothing was sent"), HINT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(read: Result<Vec<Item>, Failure>) -> String {
        let mut text = Vec::new();
        read.unwrap_err().write(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    fn expected() -> v1::ImportItem {
        v1::ImportItem {
            plaintext: "a,\"b\"\nc".to_owned(),
            user: "till".to_owned(),
            display_name: "till-7".to_owned(),
            suspended: true,
            access_right: v1::AccessRight::ReadOnly.into(),
            permissions: vec!["orders:read".to_owned(), "orders:list".to_owned()],
            expire_time: Some(prost_types::Timestamp {
                seconds: 1_814_313_600,
                nanos: 0,
            }),
            ..Default::default()
        }
    }

    #[test]
    fn the_two_forms_of_an_item_are_the_same() {
        let json = concat!(
            "\n",
            r#"{"plaintext": "a,\"b\"\nc", "user": "till", "displayName": "till-7", "suspended": true, "access_right": "ACCESS_RIGHT_READ_ONLY", "permissions": ["orders:read", "orders:list"], "expireTime": "2027-06-30T00:00:00Z"}"#,
            "\n\n",
            r#"{"user": "x"}"#,
        );
        let items = of_json_lines(json).unwrap();
        let lines: Vec<usize> = items.iter().map(|item| item.line).collect();
        assert_eq!((lines, &items[0].item), (vec![2, 4], &expected()));
        let csv = "plaintext,user,display_name,suspended,access_right,permissions,expire_time,lifetime\r\n\
            \"a,\"\"b\"\"\nc\",till,till-7,true,read-only,orders:read orders:list,2027-06-30T00:00:00Z,\n\
            \n,x,,,,,,\n";
        let items = of_csv(csv).unwrap();
        let lines: Vec<usize> = items.iter().map(|item| item.line).collect();
        assert_eq!((lines, &items[0].item), (vec![2, 5], &expected()));
        assert_eq!(items[1].item.user, "x");
        // As spreadsheets write it.
        for marked in [
            of_csv(&format!("\u{feff}{csv}")),
            of_json_lines(&format!("\u{feff}{}", json.trim_start())),
        ] {
            assert_eq!(marked.unwrap()[0].item, expected());
        }
    }

    #[test]
    fn what_is_wrong_is_told_by_its_line_and_never_by_its_words() {
        for (read, line) in [
            (of_json_lines("{}\n{\"plaintext\": \"SECRET\""), "line 2 "),
            (of_json_lines("{\"SECRET\": \"SECRET\"}"), "line 1 "),
            (of_json_lines("{\"suspended\": \"SECRET\"}"), "line 1 "),
            (of_json_lines("{} SECRET"), "line 1 "),
            (of_json_lines("SECRET"), "line 1 "),
            (of_csv("user,SECRET\nx,y"), "line 1 "),
            (of_csv("user,plaintext\nSECRET"), "line 2 "),
            (of_csv("user,plaintext\nx,SECRET,z"), "line 2 "),
            (of_csv("user,plaintext\nx,\"SECRET"), "line 2 "),
            (of_csv("user,plaintext\nx,\"SECRET\"y"), "line 2 "),
            (of_csv("user,suspended\nx,SECRET"), "line 2 "),
            (of_csv("user,expire_time\n\nx,SECRET"), "line 3 "),
            (of_csv("SECRET"), "line 1 "),
            (of_json_lines("\n"), "no items"),
            (of_csv("user,plaintext\n"), "no items"),
            (of_csv(""), "no items"),
        ] {
            let told = told(read);
            assert!(told.contains(line) && !told.contains("SECRET"), "{told}");
        }
    }
}
