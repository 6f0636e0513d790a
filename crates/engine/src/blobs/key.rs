//! What a key may be: the same for every engine, and such that no key leaves the place of the blobs.

use super::BlobError;

/// Bytes of a key: what S3 (1024) and a path (4096) both take, with room for their prefixes.
const KEY_BYTES_MAX: usize = 512;

/// Bytes of one name: file systems take 255.
const NAME_BYTES_MAX: usize = 200;

/// Checks a key.
pub(super) fn check(key: &str) -> Result<(), BlobError> {
    if key.len() > KEY_BYTES_MAX {
        return bad(key, "longer than 512 bytes");
    }
    key.split('/').try_for_each(|name| check_name(key, name))
}

/// Checks the beginning of a key, whose last name may be cut off anywhere, and splits it there:
/// the names that are whole, and the beginning of the next.
pub(super) fn check_prefix(prefix: &str) -> Result<(&str, &str), BlobError> {
    let (folder, start) = prefix.rsplit_once('/').unwrap_or(("", prefix));
    if prefix.contains('/') {
        check(folder)?;
    }
    if !start.is_empty() {
        check_name(prefix, start)?;
    }
    Ok((folder, start))
}

fn check_name(key: &str, name: &str) -> Result<(), BlobError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-=".contains(&byte);
    if name.is_empty() {
        bad(
            key,
            "a name in it is empty (no slash at its ends, no two in a row)",
        )
    } else if name.starts_with('.') {
        bad(key, "a name in it begins with a dot")
    } else if name.len() > NAME_BYTES_MAX {
        bad(key, "a name in it is longer than 200 bytes")
    } else if !name.bytes().all(allowed) {
        bad(
            key,
            "only letters, digits and `.`, `_`, `-`, `=` are allowed between slashes",
        )
    } else {
        Ok(())
    }
}

fn bad(key: &str, problem: &'static str) -> Result<(), BlobError> {
    Err(BlobError::BadKey {
        key: key.to_owned(),
        problem,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::{Component, Path};

    #[test]
    fn fuzz_a_key_never_leaves_its_folder() {
        fuzzing::run(&"[a./=\\\\\u{0} é-]{0,12}", |key| {
            if check(&key).is_ok() {
                prop_assert!(
                    Path::new(&key)
                        .components()
                        .all(|part| matches!(part, Component::Normal(_)))
                );
                prop_assert_eq!(Path::new(&key).components().count(), key.split('/').count());
                for end in 0..=key.len() {
                    prop_assert!(check_prefix(&key[..end]).is_ok(), "{}", &key[..end]);
                }
            }
            Ok(())
        });
    }
}
