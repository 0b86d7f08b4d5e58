//! Messages of members and authority as bytes, for the connection that both share with everything else. CBOR: a
//! group's name, a number for the kind of message, its fields.
//!
//! ```text
//! notice = [group, kind, field*]
//! to the authority   1 join      boot · priority · nofailover · renews · holding? · stamp
//!                    2 renew     epoch? · stamp
//!                    3 released  epoch · cause
//!                    4 leave
//! to a member        1 granted   epoch · mode · ttl · cause · stamp
//!                    2 renewed   epoch? · stamp · ttl
//!                    3 secondaire  cause · epoch · ttl
//!                    4 step down epoch · cause
//!                    5 refused   why · presented · highest
//!                    6 cleared
//! ```
//! Stamps are nanoseconds, times to live milliseconds, causes and modes their words; `?` may be null.

use crate::message::{FromMember, Grant, Join, Refusal, ToMember};
use crate::words::{BootId, Cause, GroupName, Mode, Stamp};
use minicbor::{Decoder, Encoder};
use std::time::Duration;
use vigie_model::Epoch;

/// Name under which these bytes travel, both ways.
pub const NOTICE: &str = "role";

/// Bytes that are no message, or one of a later version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no message about a role: {0}")]
pub struct BadNotice(String);

impl From<minicbor::decode::Error> for BadNotice {
    fn from(error: minicbor::decode::Error) -> Self {
        BadNotice(error.to_string())
    }
}

/// A message to the authority as bytes.
pub fn encode_from_member(group: &GroupName, message: &FromMember) -> Vec<u8> {
    match *message {
        FromMember::Join(Join { boot, priority, nofailover, renews, holding, stamp }) => {
            write(group, 1, 6, |out| {
                out.u64(boot.0)?.i32(priority)?.bool(nofailover)?.bool(renews)?;
                put_epoch(out, holding)?;
                out.u64(nanos(stamp))
            })
        }
        FromMember::Renew { epoch, stamp } => write(group, 2, 2, |out| {
            put_epoch(out, epoch)?;
            out.u64(nanos(stamp))
        }),
        FromMember::Released { epoch, cause } => {
            write(group, 3, 2, |out| out.u64(epoch.0)?.str(cause.as_str()))
        }
        FromMember::Leave => write(group, 4, 0, |out| Ok(out)),
    }
}

/// A message to a member as bytes.
pub fn encode_to_member(group: &GroupName, message: &ToMember) -> Vec<u8> {
    match *message {
        ToMember::Granted(Grant { epoch, mode, ttl, cause, stamp }) => write(group, 1, 5, |out| {
            out.u64(epoch.0)?.str(mode.as_str())?.u64(millis(ttl))?;
            out.str(cause.as_str())?.u64(nanos(stamp))
        }),
        ToMember::Renewed { epoch, stamp, ttl } => write(group, 2, 3, |out| {
            put_epoch(out, epoch)?;
            out.u64(nanos(stamp))?.u64(millis(ttl))
        }),
        ToMember::Secondaire { cause, epoch, ttl } => {
            write(group, 3, 3, |out| out.str(cause.as_str())?.u64(epoch.0)?.u64(millis(ttl)))
        }
        ToMember::StepDown { epoch, cause } => {
            write(group, 4, 2, |out| out.u64(epoch.0)?.str(cause.as_str()))
        }
        ToMember::Cleared => write(group, 6, 0, |out| Ok(out)),
        ToMember::Refused(why) => {
            let (why, presented, highest) = match why {
                Refusal::FutureEpoch { presented, highest } => (1, presented.0, highest.0),
                Refusal::Taken => (2, 0, 0),
                Refusal::CannotRenew => (3, 0, 0),
                Refusal::Full => (4, 0, 0),
            };
            write(group, 5, 3, |out| out.u8(why)?.u64(presented)?.u64(highest))
        }
    }
}

/// Reads a message to the authority.
///
/// # Errors
/// [`BadNotice`]; nothing in it may be believed then.
pub fn decode_from_member(bytes: &[u8]) -> Result<(GroupName, FromMember), BadNotice> {
    read(bytes, |kind, from| {
        Ok(match kind {
            1 => FromMember::Join(Join {
                boot: BootId(from.u64()?),
                priority: from.i32()?,
                nofailover: from.bool()?,
                renews: from.bool()?,
                holding: take_epoch(from)?,
                stamp: take_stamp(from)?,
            }),
            2 => FromMember::Renew { epoch: take_epoch(from)?, stamp: take_stamp(from)? },
            3 => FromMember::Released { epoch: Epoch(from.u64()?), cause: take_cause(from)? },
            4 => FromMember::Leave,
            other => return Err(BadNotice(format!("kind {other} is unknown"))),
        })
    })
}

/// Reads a message to a member.
///
/// # Errors
/// [`BadNotice`]; nothing in it may be believed then.
pub fn decode_to_member(bytes: &[u8]) -> Result<(GroupName, ToMember), BadNotice> {
    read(bytes, |kind, from| {
        Ok(match kind {
            1 => ToMember::Granted(Grant {
                epoch: Epoch(from.u64()?),
                mode: from.str()?.parse::<Mode>().map_err(BadNotice)?,
                ttl: take_ttl(from)?,
                cause: take_cause(from)?,
                stamp: take_stamp(from)?,
            }),
            2 => {
                ToMember::Renewed { epoch: take_epoch(from)?, stamp: take_stamp(from)?, ttl: take_ttl(from)? }
            }
            3 => ToMember::Secondaire {
                cause: take_cause(from)?,
                epoch: Epoch(from.u64()?),
                ttl: take_ttl(from)?,
            },
            4 => ToMember::StepDown { epoch: Epoch(from.u64()?), cause: take_cause(from)? },
            5 => ToMember::Refused(take_refusal(from)?),
            6 => ToMember::Cleared,
            other => return Err(BadNotice(format!("kind {other} is unknown"))),
        })
    })
}

type Out<'a> = Encoder<&'a mut Vec<u8>>;
type Written<'a, 'b> = Result<&'b mut Out<'a>, minicbor::encode::Error<std::convert::Infallible>>;

fn write(
    group: &GroupName,
    kind: u8,
    fields: u64,
    body: impl for<'a, 'b> FnOnce(&'b mut Out<'a>) -> Written<'a, 'b>,
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64);
    let mut out = Encoder::new(&mut bytes);
    let written = out
        .array(2 + fields)
        .and_then(|out| out.str(group.as_str()))
        .and_then(|out| out.u8(kind))
        .and_then(body)
        .map(|_| ());
    written.expect("writing CBOR to a vector cannot fail");
    bytes
}

fn put_epoch<'a, 'b>(out: &'b mut Out<'a>, epoch: Option<Epoch>) -> Written<'a, 'b> {
    match epoch {
        Some(epoch) => out.u64(epoch.0),
        None => out.null(),
    }
}

fn read<T>(
    bytes: &[u8],
    body: impl FnOnce(u8, &mut Decoder<'_>) -> Result<T, BadNotice>,
) -> Result<(GroupName, T), BadNotice> {
    let mut from = Decoder::new(bytes);
    let count = from.array()?.ok_or_else(|| BadNotice("its length is not stated".into()))?;
    let group = GroupName::new(from.str()?).map_err(|e| BadNotice(e.to_string()))?;
    let kind = from.u8()?;
    let message = body(kind, &mut from)?;
    // Fields that a later version adds are passed over; that there are as many as stated is still asked.
    let fields = from.position();
    let mut whole = Decoder::new(bytes);
    whole.skip()?;
    if count < 2 || fields > whole.position() || whole.position() != bytes.len() {
        return Err(BadNotice("its length is not what it states".into()));
    }
    Ok((group, message))
}

fn take_epoch(from: &mut Decoder<'_>) -> Result<Option<Epoch>, BadNotice> {
    if from.datatype()? == minicbor::data::Type::Null {
        from.null()?;
        return Ok(None);
    }
    Ok(Some(Epoch(from.u64()?)))
}

fn take_stamp(from: &mut Decoder<'_>) -> Result<Stamp, BadNotice> {
    Ok(Stamp(Duration::from_nanos(from.u64()?)))
}

fn take_ttl(from: &mut Decoder<'_>) -> Result<Duration, BadNotice> {
    let ttl = Duration::from_millis(from.u64()?);
    crate::words::Settings { ttl, ..Default::default() }.check().map_err(|e| BadNotice(e.to_string()))?;
    Ok(ttl)
}

fn take_cause(from: &mut Decoder<'_>) -> Result<Cause, BadNotice> {
    let word = from.str()?;
    Cause::from_word(word).ok_or_else(|| BadNotice("its cause is unknown".into()))
}

fn take_refusal(from: &mut Decoder<'_>) -> Result<Refusal, BadNotice> {
    let (why, presented, highest) = (from.u8()?, Epoch(from.u64()?), Epoch(from.u64()?));
    match why {
        1 => Ok(Refusal::FutureEpoch { presented, highest }),
        2 => Ok(Refusal::Taken),
        3 => Ok(Refusal::CannotRenew),
        4 => Ok(Refusal::Full),
        _ => Err(BadNotice("its reason is unknown".into())),
    }
}

fn nanos(stamp: Stamp) -> u64 {
    u64::try_from(stamp.0.as_nanos()).unwrap_or(u64::MAX)
}

fn millis(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_millis(3000);
    const STAMP: Stamp = Stamp(Duration::from_nanos(1_000_000_007));

    fn group() -> GroupName {
        GroupName::new("db").unwrap()
    }

    fn from_member() -> Vec<FromMember> {
        let join = |holding| {
            FromMember::Join(Join {
                boot: BootId(9),
                priority: -3,
                nofailover: false,
                renews: true,
                holding,
                stamp: STAMP,
            })
        };
        vec![
            join(None),
            join(Some(Epoch(7))),
            FromMember::Renew { epoch: Some(Epoch(7)), stamp: STAMP },
            FromMember::Renew { epoch: None, stamp: STAMP },
            FromMember::Released { epoch: Epoch(7), cause: Cause::HookFailed },
            FromMember::Leave,
        ]
    }

    fn to_member() -> Vec<ToMember> {
        let (epoch, ttl, stamp) = (Epoch(7), TTL, STAMP);
        vec![
            ToMember::Granted(Grant { epoch, mode: Mode::Safe, ttl, cause: Cause::Left, stamp }),
            ToMember::Renewed { epoch: Some(epoch), stamp, ttl },
            ToMember::Renewed { epoch: None, stamp, ttl },
            ToMember::Secondaire { cause: Cause::Joined, epoch, ttl },
            ToMember::StepDown { epoch, cause: Cause::Priority },
            ToMember::Cleared,
            ToMember::Refused(Refusal::FutureEpoch { presented: Epoch(9), highest: epoch }),
            ToMember::Refused(Refusal::Taken),
            ToMember::Refused(Refusal::CannotRenew),
            ToMember::Refused(Refusal::Full),
        ]
    }

    #[test]
    fn every_message_goes_round_and_damage_is_an_error() {
        for message in from_member() {
            let bytes = encode_from_member(&group(), &message);
            assert_eq!(decode_from_member(&bytes), Ok((group(), message)));
            for cut in 0..bytes.len() {
                assert!(decode_from_member(&bytes[..cut]).is_err(), "{message:?} cut at {cut}");
            }
            assert!(decode_from_member(&[&bytes[..], &[0]].concat()).is_err());
        }
        for message in to_member() {
            let bytes = encode_to_member(&group(), &message);
            assert_eq!(decode_to_member(&bytes), Ok((group(), message)));
            for cut in 0..bytes.len() {
                assert!(decode_to_member(&bytes[..cut]).is_err(), "{message:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn golden_bytes() {
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let renew = FromMember::Renew { epoch: Some(Epoch(7)), stamp: STAMP };
        assert_eq!(hex(&encode_from_member(&group(), &renew)), "846264620207 1a3b9aca07".replace(' ', ""));
        let step_down = ToMember::StepDown { epoch: Epoch(7), cause: Cause::Left };
        assert_eq!(hex(&encode_to_member(&group(), &step_down)), "84626462040764 6c656674".replace(' ', ""));
    }

    #[test]
    fn lies_are_not_believed() {
        let odd_group = [0x82, 0x62, b'a', b'/', 4];
        assert!(decode_from_member(&odd_group).is_err());
        let ttl = ToMember::Renewed { epoch: None, stamp: STAMP, ttl: Duration::from_millis(1) };
        assert!(decode_to_member(&encode_to_member(&group(), &ttl)).is_err(), "no lease is so short");
        assert!(decode_from_member(&[0x9f, 0x62, b'd', b'b', 4, 0xff]).is_err());
    }
}
