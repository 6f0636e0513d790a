//! Hashing of personal data on the way out.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HashAlgorithm {
    #[serde(rename = "MD5")]
    Md5,
    #[serde(rename = "SHA1")]
    Sha1,
    #[serde(rename = "SHA256")]
    Sha256,
    #[serde(rename = "EMAIL_SHA256")]
    EmailSha256,
    #[serde(rename = "PHONE_SHA256")]
    PhoneSha256,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum HashMode {
    #[default]
    None,
    Hashed,
    Required,
}

impl HashAlgorithm {
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_uppercase().as_str() {
            "MD5" => Some(Self::Md5),
            "SHA1" => Some(Self::Sha1),
            "SHA256" => Some(Self::Sha256),
            "EMAIL_SHA256" => Some(Self::EmailSha256),
            "PHONE_SHA256" => Some(Self::PhoneSha256),
            _ => None,
        }
    }
}

impl HashMode {
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_uppercase().as_str() {
            "NONE" => Some(Self::None),
            "HASHED" => Some(Self::Hashed),
            "REQUIRED" => Some(Self::Required),
            _ => None,
        }
    }
}
