//! Bodies that are made to hurt, and what a body may be at all (contract, sections 1 to 3): whatever
//! comes, it is judged, and our fault is never the client's input.

use std::iter::{repeat_n, zip};

use portfolio_testkit::Kind;
use rstest::rstest;
use serde_json::{Value, json};

use crate::stage::{EMPLOYER, Stage};

/// A body as it is named where it fails.
fn shown(body: &[u8]) -> String {
    String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned()
}

fn nested(member: &str, levels: usize) -> Vec<u8> {
    // The object itself is a level.
    format!("{{\"{member}\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1)).into_bytes()
}

fn in_every_member(value: &[u8]) -> Vec<Vec<u8>> {
    let places: [(&[u8], &[u8]); 9] = [
        (b"", b""),
        (b"{\"name\":", b"}"),
        (b"{\"image\":", b"}"),
        (b"{\"description\":", b"}"),
        (b"{\"id\":", b"}"),
        (b"{\"unknown\":", b"}"),
        (b"{\"unknown\":[0,{\"a\":", b"}]}"),
        // A later one that is right does not mend it.
        (b"{\"name\":", b",\"name\":\"Apple\"}"),
        (b"[", b"]"),
    ];
    places.iter().map(|(before, after)| [before, value, after].concat()).collect()
}

#[rstest]
#[case::a_lone_high_surrogate(br#""\ud800""#)]
#[case::a_lone_low_surrogate(br#""\udc00 ""#)]
#[case::a_surrogate_before_another_escape(br#""\ud83d\u0041""#)]
#[case::a_surrogate_before_text(br#""\ud83dx""#)]
#[case::surrogates_in_the_wrong_order(br#""\ude00\ud83d""#)]
#[case::a_surrogate_in_utf8(b"\"\xed\xa0\x80\"")]
#[case::a_byte_that_is_no_utf8(b"\"\xff\"")]
#[case::a_character_cut_short(b"\"\xe2\x82\"")]
#[case::an_overlong_nul(b"\"\xc0\x80\"")]
#[case::a_character_beyond_unicode(b"\"\xf4\x90\x80\x80\"")]
#[case::a_number_out_of_range(b"1e400")]
#[case::a_negative_number_out_of_range(b"-1e400")]
#[case::a_long_number_out_of_range(b"1.5e99999999999999999999")]
#[case::not_a_number(b"NaN")]
#[case::infinity(b"Infinity")]
#[case::minus_infinity(b"-Infinity")]
#[case::a_leading_zero(b"01")]
#[case::a_plus(b"+1")]
#[case::no_digit_after_the_point(b"1.")]
#[case::a_hexadecimal_number(b"0x1")]
#[case::an_unknown_word(b"nul")]
#[case::single_quotes(b"'a'")]
#[case::a_raw_line_break(b"\"a\nb\"")]
#[case::a_raw_nul(b"\"a\0b\"")]
#[case::an_unknown_escape(br#""\x""#)]
#[case::an_escape_cut_short(br#""\u00""#)]
#[case::an_open_string(b"\"a")]
#[case::an_open_array(b"[1")]
#[case::a_trailing_comma(b"[1,]")]
#[case::a_comment(b"/**/1")]
#[case::nothing(b"")]
fn a_value_that_is_no_json_is_a_json_error_wherever_it_stands(#[case] value: &[u8]) {
    let stage = Stage::new(Kind::Sqlite);
    let before = stage.employer();
    for body in in_every_member(value) {
        // An empty array is JSON.
        if body != b"[]" {
            stage.patch(&body).assert_json_error(&shown(&body));
        }
    }
    assert_eq!(stage.employer(), before);
}

#[rstest]
#[case::empty(b"")]
#[case::white_space(b" \t\r\n ")]
#[case::a_byte_order_mark(b"\xef\xbb\xbf{}")]
#[case::utf_16(b"{\0}\0")]
#[case::two_values(b"{}{}")]
#[case::a_nul_after_it(b"{}\0")]
#[case::a_byte_after_it(b"{}\xff")]
#[case::a_form(b"name=Apple")]
#[case::no_quotes_around_a_name(b"{name:\"Apple\"}")]
#[case::a_name_that_is_a_number(b"{1:2}")]
#[case::no_value(b"{\"name\"}")]
#[case::a_trailing_comma(b"{\"name\":\"Apple\",}")]
#[case::a_lone_surrogate_in_a_name(br#"{"\ud800":1}"#)]
#[case::a_lone_surrogate_in_an_inner_name(br#"{"a":{"\udc00":1}}"#)]
#[case::no_utf8_in_a_name(b"{\"\xff\":1}")]
#[case::no_utf8_in_an_inner_name(b"{\"a\":[{\"\xc3\":1}]}")]
#[case::open(b"{\"name\":\"Apple\"")]
fn a_body_that_is_no_json_is_a_json_error(#[case] body: &[u8]) {
    let stage = Stage::new(Kind::Sqlite);
    let before = stage.employer();
    stage.patch(body).assert_json_error(&shown(body));
    assert_eq!(stage.employer(), before);
}

#[test]
fn nesting_is_taken_to_127_levels_and_a_hundred_thousand_do_no_harm() {
    let stage = Stage::new(Kind::Sqlite);
    for (member, at_the_limit) in [
        ("unknown", None),
        ("name", Some(r#"{"name":["Not a valid string."]}"#)),
        ("image", Some(r#"{"image":["Incorrect type. Expected pk value, received list."]}"#)),
        ("description", Some(r#"{"description":["Not a valid string."]}"#)),
    ] {
        let reply = stage.patch(nested(member, 127));
        match at_the_limit {
            Some(expected) => reply.assert(400, expected),
            None => assert_eq!(reply.status, 200, "{reply:?}"),
        }
        for levels in [128, 100_000] {
            stage.patch(nested(member, levels)).assert_json_error(member);
        }
        // Never closed; and the other kind of nesting.
        stage.patch(&nested(member, 200_000)[..150_000]).assert_json_error(member);
        stage.patch(format!("{{\"{member}\":").repeat(10_000)).assert_json_error(member);
    }
    let arrays = |levels| "[".repeat(levels) + &"]".repeat(levels);
    let list = r#"{"non_field_errors":["Invalid data. Expected a dictionary, but got list."]}"#;
    stage.patch(arrays(127)).assert(400, list);
    stage.patch(arrays(128)).assert_json_error("a bare array");
    stage.patch(arrays(100_000)).assert_json_error("a bare array");
}

#[rstest]
#[case("[]", "list")]
#[case("[{\"name\":\"Apple\"}]", "list")]
#[case("\"\"", "str")]
#[case("\"{}\"", "str")]
#[case("0", "int")]
#[case("-0", "int")]
#[case(" -0 ", "int")]
#[case("-12", "int")]
#[case("18446744073709551616", "int")]
#[case(&"9".repeat(300), "int")]
#[case("1.5", "float")]
#[case("1e2", "float")]
#[case("1E2", "float")]
#[case("-0.0", "float")]
#[case("1e-400", "float")]
#[case("true", "bool")]
#[case("false", "bool")]
fn a_body_that_is_no_object_is_called_by_its_kind(#[case] body: &str, #[case] kind: &str) {
    let stage = Stage::new(Kind::Sqlite);
    let text = format!("Invalid data. Expected a dictionary, but got {kind}.");
    stage.patch(body).assert(400, &json!({ "non_field_errors": [text] }).to_string());
}

#[rstest]
#[case("null")]
#[case(" \r\n\tnull ")]
fn null_is_no_data(#[case] body: &str) {
    Stage::new(Kind::Sqlite).patch(body).assert(400, r#"{"non_field_errors":["No data provided"]}"#);
}

#[rstest]
#[case(r#""""#, "str")]
#[case(r#"" ""#, "str")]
#[case(r#""06""#, "str")]
#[case(r#""00""#, "str")]
#[case(r#"" 6""#, "str")]
#[case(r#""6 ""#, "str")]
#[case(r#""6\n""#, "str")]
#[case(r#""٦""#, "str")]
#[case(r#""６""#, "str")]
#[case(r#""-6""#, "str")]
#[case(r#""-0""#, "str")]
#[case(r#""+6""#, "str")]
#[case(r#""6.0""#, "str")]
#[case(r#""6e0""#, "str")]
#[case(r#""0x6""#, "str")]
#[case(r#""1_0""#, "str")]
#[case(r#""null""#, "str")]
#[case(r#""6\u0000""#, "str")]
#[case("6.0", "float")]
#[case("6e0", "float")]
#[case("6E0", "float")]
#[case("-0.0", "float")]
#[case("1e-400", "float")]
#[case("true", "bool")]
#[case("false", "bool")]
#[case("[]", "list")]
#[case("[6]", "list")]
#[case("{}", "dict")]
#[case(r#"{"id":6}"#, "dict")]
fn what_is_no_id_of_an_image_is_called_by_its_kind(#[case] image: &str, #[case] kind: &str) {
    let stage = Stage::new(Kind::Sqlite);
    let text = format!("Incorrect type. Expected pk value, received {kind}.");
    stage.patch(format!("{{\"image\": {image}}}")).assert(400, &json!({ "image": [text] }).to_string());
    assert_eq!(stage.employer()["image_data"], Value::Null);
}

/// An id is shown as it was written, however long; `-0` is the integer 0.
#[rstest]
#[case("999", "999")]
#[case("0", "0")]
#[case("-0", "0")]
#[case("-6", "-6")]
#[case("\"999\"", "999")]
#[case("\"0\"", "0")]
#[case("\"\\u0039\"", "9")]
#[case("9223372036854775807", "9223372036854775807")]
#[case("9223372036854775808", "9223372036854775808")]
#[case("-9223372036854775809", "-9223372036854775809")]
#[case("18446744073709551616", "18446744073709551616")]
#[case("100000000000000000000000", "100000000000000000000000")]
#[case(&"9".repeat(300), &"9".repeat(300))]
#[case(&format!("-{}", "9".repeat(300)), &format!("-{}", "9".repeat(300)))]
#[case(&format!("\"{}\"", "9".repeat(5000)), &"9".repeat(5000))]
fn an_unknown_image_is_named_as_it_was_written(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
    #[case] image: &str,
    #[case] named: &str,
) {
    let text = format!("Invalid pk \"{named}\" - object does not exist.");
    let reply = Stage::new(kind).patch(format!("{{\"image\":{image}}}"));
    reply.assert(400, &json!({ "image": [text] }).to_string());
}

#[test]
fn an_integer_of_5000_digits_is_out_of_range_in_every_member() {
    let stage = Stage::new(Kind::Sqlite);
    for body in in_every_member("1".repeat(5000).as_bytes()) {
        stage.patch(&body).assert_json_error(&shown(&body));
    }
}

#[rstest]
#[case("6")]
#[case(" 6 ")]
#[case("\"6\"")]
#[case("\"\\u0036\"")]
fn an_image_is_given_by_its_integer_or_its_plain_digits(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
    #[case] image: &str,
) {
    let stage = Stage::new(kind);
    stage.patch(format!("{{\"image\":{image}}}"));
    assert_eq!(stage.employer()["image_data"]["id"], 6);
    stage.patch("{\"image\":null}");
    assert_eq!(stage.employer()["image_data"], Value::Null);
}

/// One of each category, and of the code points that Unicode calls ignorable.
#[rstest]
#[case::empty("")]
#[case::space(" ")]
#[case::zs_ideographic_space("\u{3000}")]
#[case::zs_no_break_space("\u{a0}")]
#[case::zl("\u{2028}")]
#[case::zp("\u{2029}")]
#[case::cc_tab_and_line_break("\t\r\n")]
#[case::cc_bell("\u{7}")]
#[case::cc_delete("\u{7f}")]
#[case::cc_next_line("\u{85}")]
#[case::cf_zero_width_space("\u{200b}")]
#[case::cf_zero_width_non_joiner("\u{200c}")]
#[case::cf_right_to_left_override("\u{202e}")]
#[case::cf_soft_hyphen("\u{ad}")]
#[case::cf_byte_order_mark("\u{feff}")]
#[case::cf_arabic_number_sign("\u{600}")]
#[case::cf_tag("\u{e0001}")]
#[case::ignorable_grapheme_joiner("\u{34f}")]
#[case::ignorable_hangul_filler("\u{3164}")]
#[case::ignorable_variation_selector("\u{fe0f}")]
#[case::ignorable_and_not_assigned("\u{e0fff}")]
#[case::a_mix("\u{200b} \u{3164}\u{1}\u{2028}")]
fn a_name_of_which_nothing_can_be_seen_is_blank(#[case] name: &str) {
    let body = json!({ "name": name }).to_string();
    Stage::new(Kind::Sqlite).patch(body).assert(400, r#"{"name":["This field may not be blank."]}"#);
}

#[rstest]
#[case::trimmed("\u{3000} Apple\t\u{85}", "Apple")]
#[case::composed("Cafe\u{301}", "Café")]
#[case::persian_with_a_non_joiner("نمونه\u{200c}ها", "نمونه\u{200c}ها")]
#[case::beyond_the_first_plane("😀", "😀")]
#[case::control_inside("a\u{1}\u{7f}b", "a\u{1}\u{7f}b")]
#[case::separator_inside("a\u{2028}b", "a\u{2028}b")]
#[case::markup("<b>&amp;\"'/\\</b>", "<b>&amp;\"'/\\</b>")]
#[case::longest(&"😀".repeat(255), &"😀".repeat(255))]
#[case::longest_once_trimmed(&format!(" {} ", "x".repeat(255)), &"x".repeat(255))]
#[case::longest_once_composed(&"e\u{301}".repeat(255), &"é".repeat(255))]
fn a_name_is_kept_trimmed_and_composed(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
    #[case] name: &str,
    #[case] kept: &str,
) {
    let stage = Stage::new(kind);
    assert_eq!(stage.patch(json!({ "name": name }).to_string()).json()["name"], kept);
    assert_eq!(stage.text("name"), kept);
}

#[test]
fn texts_that_are_wrong_get_every_message() {
    let stage = Stage::new(Kind::Sqlite);
    let too_long = |max: usize| format!("Ensure this field has no more than {max} characters.");
    let (name, description) = (too_long(255), too_long(10_000));
    let nul = "Null characters are not allowed.";
    for (body, expected) in [
        (json!({ "name": "x".repeat(256) }), json!({ "name": [name] })),
        (json!({ "name": "😀".repeat(256) }), json!({ "name": [name] })),
        // One code point that normalisation makes two.
        (json!({ "name": "\u{958}".repeat(128) }), json!({ "name": [name] })),
        (json!({ "name": "a\0b" }), json!({ "name": [nul] })),
        (json!({ "name": "\0".to_owned() + &"x".repeat(255) }), json!({ "name": [name, nul] })),
        (json!({ "name": "\0" }), json!({ "name": ["This field may not be blank.", nul] })),
        (json!({ "name": null }), json!({ "name": ["This field may not be null."] })),
        (json!({ "description": "x".repeat(10_001) }), json!({ "description": [description] })),
        (json!({ "description": "\0" }), json!({ "description": [nul] })),
        (json!({ "description": "\0".repeat(10_001) }), json!({ "description": [description, nul] })),
    ] {
        stage.patch(body.to_string()).assert(400, &expected.to_string());
    }
    for (member, value) in ["name", "description"]
        .iter()
        .flat_map(|m| zip(repeat_n(m, 6), ["5", "1.5", "-0", "true", "[\"a\"]", "{}"]))
    {
        let expected = json!({ *member: ["Not a valid string."] }).to_string();
        stage.patch(format!("{{\"{member}\":{value}}}")).assert(400, &expected);
    }
}

#[rstest]
fn a_description_is_cleared_by_null_and_kept_when_empty(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let stage = Stage::new(kind);
    let longest = "😀".repeat(10_000);
    for (sent, kept) in [
        (json!("  a \r\n b  "), json!("a \r\n b")),
        (json!("e\u{301}"), json!("e\u{301}")),
        (json!(null), json!(null)),
        (json!(""), json!("")),
        (json!(" \u{2029} "), json!("")),
        (json!("\u{200b}"), json!("\u{200b}")),
        (json!(longest), json!(longest)),
    ] {
        let reply = stage.patch(json!({ "description": sent }).to_string());
        assert_eq!((reply.status, &reply.json()["description"]), (200, &kept));
        assert_eq!(stage.employer()["description"], kept);
    }
}

#[rstest]
#[case::the_last_counts(r#"{"name":"One","name":"Two"}"#, 200, "Two")]
#[case::though_an_earlier_one_was_wrong(r#"{"name":null,"name":5,"name":"Two"}"#, 200, "Two")]
#[case::also_when_it_is_wrong(r#"{"name":"One","name":null}"#, 400, "Example Company")]
#[case::escapes_in_a_members_name(r#"{"na\u006de":"Two"}"#, 200, "Two")]
#[case::and_it_is_the_same_member(r#"{"name":5,"\u006eame":"Two"}"#, 200, "Two")]
#[case::case_matters(r#"{"Name":null,"NAME":5,"name ":null}"#, 200, "Example Company")]
#[case::one_inside_another_is_not_it(r#"{"unknown":{"name":null}}"#, 200, "Example Company")]
#[case::what_only_looks_like_it(r#"{"nаme":null,"na\u0000me":null,"":null}"#, 200, "Example Company")]
#[case::read_only_members(
    r#"{"id":9,"image_data":5,"created_at":null,"updated_at":"x","version":7}"#,
    200,
    "Example Company"
)]
fn a_member_is_known_by_its_exact_name_and_its_last_value(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
    #[case] body: &str,
    #[case] status: u16,
    #[case] name: &str,
) {
    let stage = Stage::new(kind);
    assert_eq!(stage.patch(body).status, status);
    let employer = stage.employer();
    assert_eq!((&employer["id"], &employer["name"]), (&json!(123), &json!(name)));
}

#[rstest]
fn updated_at_moves_only_when_a_member_is_named(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let stage = Stage::new(kind);
    let created = stage.text("created_at");
    let mut last = stage.text("updated_at");
    for body in
        ["{}", "{ \n}", r#"{"unknown":1}"#, r#"{"id":9,"updated_at":"x"}"#, r#"{"name":5}"#, r#"{"image":9}"#]
    {
        stage.patch(body);
        assert_eq!(stage.text("updated_at"), last, "{body}");
    }
    // It moves although the value stays the same, and strictly, however fast they follow.
    for body in [r#"{"name":"Example Company"}"#, r#"{"image":null}"#, r#"{"description":null}"#].repeat(4) {
        let reply = stage.patch(body);
        let updated = reply.json()["updated_at"].as_str().unwrap().to_owned();
        // Six digits and `Z`, so that text is ordered as time is.
        assert!(updated.len() == 27 && updated.ends_with('Z') && updated > last, "{body}: {updated}");
        last = updated;
    }
    assert_eq!((stage.text("updated_at"), stage.text("created_at")), (last, created));
}

#[rstest]
fn the_documented_requests_work_as_they_stand(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let stage = Stage::new(kind);
    for (body, name, image) in [
        (r#"{"name": "Apple", "image": 123}"#, "Apple", json!(123)),
        (r#"{"image": 456}"#, "Apple", json!(456)),
        (r#"{"image": null}"#, "Apple", json!(null)),
    ] {
        let reply = stage.patch(body);
        let employer = reply.json();
        let shown = employer["image_data"].get("id").cloned().unwrap_or_default();
        assert_eq!((reply.status, &employer["name"], shown), (200, &json!(name), image), "{EMPLOYER}");
    }
}
