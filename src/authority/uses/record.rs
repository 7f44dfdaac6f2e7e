//! What tokens were used for, as it is stored: many in one record, which names each text once.

use std::collections::HashMap;
use std::sync::Arc;

use prost::Message as _;

use super::entry::{Entry, LastUse, Refused, Use};
use super::words::Kind;
use crate::authority::cidr::Address;
use crate::authority::judge::Verdict;
use crate::authority::keyspace;
use crate::authority::moment::Moment;
use crate::authority::secret::TokenId;
use crate::proto::store::{RefusedUseRecord, UseRecord, UsesRecord};
use crate::store::{MAX_VALUE_BYTES, Record};

/// The values that store these entries, each as large as a value may be at most.
pub(super) fn write(entries: &[Entry]) -> Vec<Vec<u8>> {
    let mut values = Vec::new();
    let (mut record, mut numbers) = (UsesRecord::default(), HashMap::new());
    for entry in entries {
        let texts = record.texts.len();
        let used = to_record(entry, &mut record.texts, &mut numbers);
        record.uses.push(used);
        // One byte for the version of the form.
        if record.encoded_len() < MAX_VALUE_BYTES || record.uses.len() == 1 {
            continue;
        }
        record.uses.pop();
        record.texts.truncate(texts);
        values.push(keyspace::frame(&record));
        (record, numbers) = (UsesRecord::default(), HashMap::new());
        let used = to_record(entry, &mut record.texts, &mut numbers);
        record.uses.push(used);
    }
    if !record.uses.is_empty() {
        values.push(keyspace::frame(&record));
    }
    values
}

fn to_record(
    entry: &Entry,
    texts: &mut Vec<String>,
    numbers: &mut HashMap<Arc<str>, u32>,
) -> UseRecord {
    let mut number = |text: &Arc<str>| {
        *numbers.entry(text.clone()).or_insert_with(|| {
            texts.push(text.to_string());
            u32::try_from(texts.len()).unwrap_or(0)
        })
    };
    let Use {
        last,
        permissions,
        more_permissions,
        refused,
    } = &entry.used;
    let by = |by: &Option<Arc<str>>, number: &mut dyn FnMut(&Arc<str>) -> u32| {
        by.as_ref().map_or(0, number)
    };
    UseRecord {
        token_id: entry.id.0.to_vec(),
        last_time: last.as_ref().map_or(0, |last| last.time.0),
        client_ip: last
            .as_ref()
            .and_then(|last| last.client_ip)
            .map(Address::to_bytes)
            .unwrap_or_default(),
        used_by: last.as_ref().map_or(0, |last| by(&last.by, &mut number)),
        permissions: permissions.iter().map(&mut number).collect(),
        more_permissions: *more_permissions,
        refused: refused
            .iter()
            .map(|refused| RefusedUseRecord {
                verdict: refused.verdict.number(),
                count: refused.count,
                last_time: refused.last_time.0,
                used_by: by(&refused.by, &mut number),
                told_time: refused.told.map_or(0, |told| told.0),
                told_count: refused.told_count,
            })
            .collect(),
    }
}

/// What a record tells, by token; `None` if it can't be understood whole. Whose texts are kept elsewhere says `keep`.
pub(super) fn read(
    record: &Record,
    keep: impl Fn(TokenId, Kind, &Arc<str>) -> Option<Arc<str>>,
) -> Option<Vec<(TokenId, Use)>> {
    let record: UsesRecord = keyspace::unframe(record).ok()?;
    let texts: Vec<Arc<str>> = record
        .texts
        .iter()
        .map(|text| text.as_str().into())
        .collect();
    let moment = |time: i64| (time != 0).then_some(Moment(time));
    let read = |id: TokenId, used: UseRecord| {
        let text = |kind, number: u32| match usize::try_from(number).ok()?.checked_sub(1) {
            None => Some(None),
            Some(at) => Some(keep(id, kind, texts.get(at)?)),
        };
        let client_ip = match used.client_ip.as_slice() {
            [] => None,
            bytes => Some(Address::from_bytes(bytes)?),
        };
        let by = text(Kind::Service, used.used_by)?;
        let last = moment(used.last_time).map(|time| LastUse {
            time,
            client_ip,
            by,
        });
        let permissions: Vec<_> = used
            .permissions
            .iter()
            .map(|number| text(Kind::Permission, *number))
            .collect::<Option<_>>()?;
        let some_lost = permissions.iter().any(Option::is_none);
        let refused = used.refused.iter().map(|refused| {
            Some(Refused {
                count: refused.count,
                last_time: Moment(refused.last_time),
                by: text(Kind::Service, refused.used_by)?,
                told: moment(refused.told_time),
                told_count: refused.told_count,
                ..Refused::none(Verdict::numbered(refused.verdict)?)
            })
        });
        let used = Use {
            last,
            permissions: permissions.into_iter().flatten().collect(),
            more_permissions: used.more_permissions || some_lost,
            refused: refused.collect::<Option<_>>()?,
        };
        Some(used)
    };
    let with_id = |used: UseRecord| {
        let id = TokenId(used.token_id.as_slice().try_into().ok()?);
        Some((id, read(id, used)?))
    };
    record.uses.into_iter().map(with_id).collect()
}
