//! The switches break what they say, and only while they are held: what the
//! simulator relies on when it shows that it would notice.
use super::*;
use crate::sabotage::Sabotage;

#[test]
fn without_signature_checks_a_forgery_passes() {
    let (log, mut first, _) = begin(None);
    let mut forged = first.write(None, &[add(by_device(22, 20))]);
    forged.signature.0[0] ^= 1;
    let take = || log.clone().apply(&forged, None);
    assert_eq!(take(), Err(IdentityError::BadSignature));
    {
        let _broken = Sabotage::skip_signatures();
        assert_eq!(take(), Ok(Effect::Counts));
    }
    assert_eq!(take(), Err(IdentityError::BadSignature));
}

#[test]
fn without_revocations_a_thief_stays() {
    let (mut log, mut first, _) = begin(None);
    let added = first.write(None, &[add(by_device(22, 20))]);
    let revoked = first.write(None, &[revoke(22, vec![])]);
    let live =
        |log: &AccountLog| log.device(key(22).device_id()).unwrap().status == DeviceStatus::Live;
    {
        let _broken = Sabotage::ignore_revocations();
        log.extend([(&added, None), (&revoked, None)]);
        assert!(live(&log));
    }
    log.apply(&revoked, None).unwrap();
    assert!(!live(&log));
}
