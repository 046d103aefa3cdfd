//! What is wrong with a frame, in words and as a code that can be counted.

/// One thing that is wrong or was tolerated.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Complaint {
    /// Which kind.
    pub code: Code,
    /// In words, with what was found.
    pub what: String,
    /// Field, item or part of the frame.
    #[serde(rename = "where")]
    pub place: String,
}

/// All complaints of one frame.
pub type Complaints = Vec<Complaint>;

/// Notes a complaint.
pub fn complain(
    complaints: &mut Complaints,
    code: Code,
    place: impl Into<String>,
    what: impl Into<String>,
) {
    complaints.push(Complaint {
        code,
        what: what.into(),
        place: place.into(),
    });
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// The kinds of complaint; docs/protocol/hj212.md says of each what becomes of the frame.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// The word for it in output and metrics.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text,)* }
            }
        }
    };
}

codes! {
    /// Bytes that belong to no frame.
    Garbage = "garbage",
    /// A frame that ends before its check value.
    Truncated = "truncated",
    /// There is an end, but no check value of four hexadecimal digits.
    CrcMissing = "crc_missing",
    /// The length said is neither bytes, nor characters, nor (encrypted) plain bytes.
    LengthError = "length_error",
    /// The length said counts characters, the segment has multi-byte ones.
    LengthInCharacters = "length_in_characters",
    /// The length has not four digits.
    LengthDigits = "length_digits",
    /// There is no length.
    LengthMissing = "length_missing",
    /// More than 1024 bytes of segment.
    SegmentTooLong = "segment_too_long",
    /// The check value is not that of the segment.
    CrcError = "crc_error",
    /// The check value is of the cipher text, where the standard wants that of the plain text.
    CrcOverCiphertext = "crc_over_ciphertext",
    /// No CR LF after the check value.
    MissingCrlf = "missing_crlf",
    /// The segment is not UTF-8 (GBK, usually).
    NotUtf8 = "not_utf8",
    /// The data area is encrypted and there is no key.
    EncryptedNoKey = "encrypted_no_key",
    /// The encrypted data area is not whole blocks of `0xHH`.
    EncryptedForm = "encrypted_form",
    /// No QN.
    MissingQn = "missing_qn",
    /// No ST.
    MissingSt = "missing_st",
    /// No CN.
    MissingCn = "missing_cn",
    /// No PW.
    MissingPw = "missing_pw",
    /// No MN.
    MissingMn = "missing_mn",
    /// Flag says split, and there is no PNUM.
    MissingPnum = "missing_pnum",
    /// Flag says split, and there is no PNO.
    MissingPno = "missing_pno",
    /// No data area.
    MissingCp = "missing_cp",
    /// The data area does not begin with `&&`.
    CpNotOpened = "cp_not_opened",
    /// The data area does not end with `&&`.
    CpNotClosed = "cp_not_closed",
    /// No separator before CP.
    MissingSeparator = "missing_separator",
    /// `,` where `;` belongs, or the other way round.
    Separator = "separator",
    /// Blanks around names, values or the data area.
    Blanks = "blanks",
    /// Upper and lower case of a name are not as printed.
    NameCase = "name_case",
    /// A field of the segment came twice; the first holds.
    DuplicateField = "duplicate_field",
    /// A field of the segment that the standard does not know.
    UnknownField = "unknown_field",
    /// A field has not the form of the standard.
    FieldForm = "field_form",
    /// MN has not 24 characters 0-9 A-F.
    MnForm = "mn_form",
    /// Version bits that no standard has given out.
    UnknownVersion = "unknown_version",
    /// An ST outside Table 5.
    UnknownSt = "unknown_st",
    /// An ST that the configuration does not expect of the station; a host alone knows that.
    UnexpectedSt = "unexpected_st",
    /// A CN outside Table 9.
    UnknownCn = "unknown_cn",
    /// PNO outside 1 to PNUM, or PNUM over the bound.
    PacketNumber = "packet_number",
    /// PNUM or PNO, and Flag does not say split.
    PacketWithoutFlag = "packet_without_flag",
    /// Something without `=` where a pair belongs.
    NotAPair = "not_a_pair",
    /// The same item twice; the first holds.
    DuplicateItem = "duplicate_item",
    /// A factor code outside the tables; kept as sent.
    UnmappedFactor = "unmapped_factor",
    /// A factor code of 2005, read as the one of 2017.
    OldFactor = "old_factor",
    /// A factor code without its letter, read with it.
    FactorWithoutLetter = "factor_without_letter",
    /// A value that is no number.
    NonNumeric = "non_numeric",
    /// No value after `=`.
    EmptyValue = "empty_value",
    /// A data flag outside Table 8.
    UnknownFlag = "unknown_flag",
    /// A text `//` without its end.
    TextNotClosed = "text_not_closed",
    /// A time that is not 14 (or 17) digits of a real moment.
    TimeForm = "time_form",
    /// Data without DataTime.
    MissingDataTime = "missing_data_time",
    /// The sender's clock is more than five minutes off, or the data is of the future.
    ClockSkew = "clock_skew",
    /// A name that cannot be a point's.
    PointName = "point_name",
}
