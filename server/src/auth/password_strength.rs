//! Password strength, estimated by zxcvbn.

use zeroize::Zeroizing;
use zxcvbn::{Score, feedback::Feedback, matching::patterns::MatchPattern, zxcvbn};

/// Minimum accepted score.
///
/// Three means more than 10^8 guesses. An attacker who has stolen a hash needs some 20 ms of one core for each of them
/// ([`Hasher`](super::password_hasher::Hasher)), so 23 days; over the network the default limit is ten per minute per account. Every
/// common password and its simple variants score less. Four (10^10) would reject two random words. What zxcvbn does not
/// recognize counts as ten guesses per character, so eight random characters score two and nine score three.
const MIN_SCORE: Score = Score::Three;

/// Number of characters that are estimated. zxcvbn's time grows steeply with the length of a hostile password: at worst
/// 70 ms for 32 characters, but seconds for 100. Further characters do not make a password easier to guess.
const ESTIMATED_CHARS: usize = 32;

/// The advice for a password that consists mainly of the user name or a context word.
const CONTEXT: &str = "This password is little more than your user name or the name of this site. \
                       Use words that have nothing to do with either.";

/// Estimates a password, and returns advice for the user if it is easy to guess.
///
/// The user name and the words count as known to the attacker. Takes milliseconds of a core.
pub(crate) fn advice(password: &str, user: &str, words: &[String]) -> Option<String> {
    let without_user = without(password, user);
    let estimated = Zeroizing::new(without_user.chars().take(ESTIMATED_CHARS).collect::<String>());
    let inputs: Vec<&str> = words.iter().map(String::as_str).chain([user]).collect();
    let entropy = zxcvbn(&estimated, &inputs);
    if entropy.score() >= MIN_SCORE {
        return None;
    }
    let is_known = |word: &str| inputs.iter().any(|input| input.eq_ignore_ascii_case(word));
    let has_context = entropy.sequence().iter().any(|found| match &found.pattern {
        MatchPattern::Dictionary(found) => is_known(&found.matched_word),
        MatchPattern::Repeat(found) => is_known(&found.base_token),
        _ => false,
    });
    if without_user.len() < password.len() || has_context {
        return Some(CONTEXT.to_owned());
    }
    let feedback = entropy.feedback();
    let warning = feedback.and_then(Feedback::warning);
    let warning = warning.map_or_else(|| "This password is easy to guess.".to_owned(), |warning| warning.to_string());
    let suggestions = feedback.map(Feedback::suggestions).unwrap_or_default();
    let suggestions = suggestions.iter().map(ToString::to_string);
    Some([warning].into_iter().chain(suggestions).collect::<Vec<_>>().join(" "))
}

/// The password without the user name, in whatever case. The estimated part might otherwise hold only half of the name.
fn without(password: &str, user: &str) -> Zeroizing<String> {
    let lowercase = Zeroizing::new(password.to_ascii_lowercase());
    let mut rest = Zeroizing::new(String::with_capacity(password.len()));
    let mut end = 0;
    for (at, _) in lowercase.match_indices(user) {
        rest.push_str(&password[end..at]);
        end = at + user.len();
    }
    rest.push_str(&password[end..]);
    rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn advice_for(password: &str) -> Option<String> {
        advice(password, "ada-lovelace", &["pan".to_owned(), "localhost".to_owned()])
    }

    #[test]
    fn hard_passwords_get_no_advice() {
        for password in [
            "correct horse",
            "pässwörter-1",
            "zitrone-halm",
            "vT9#plover-quartz-41",
            "Ada-Lovelace likes plover-quartz",
            "한국어 비밀번호 모음",
        ] {
            assert_eq!(advice_for(password), None, "{password}");
        }
    }

    #[test]
    fn common_passwords_and_variants_get_advice() {
        for password in [
            "password",
            "12345678",
            "qwertyuiop",
            "iloveyou",
            "football",
            "sunshine",
            "princess",
            "baseball",
            "trustno1",
            "superman",
            "Password1!",
            "P@ssw0rd",
            "drowssap",
            "iloveyou2024",
            "hunter22",
            "abcdefgh",
            "aaaaaaaa",
            "        ",
            "31.12.1999",
            "password123456789",
            "passwordpasswordpassword",
        ] {
            let advice = advice_for(password).expect(password);
            assert!(advice.starts_with(char::is_uppercase) && advice.ends_with('.'), "{advice}");
        }
        let expected = "This is a top-10 common password. Add another word or two. Uncommon words are better.";
        assert_eq!(advice_for("12345678").as_deref(), Some(expected));
    }

    #[test]
    fn context_words_get_their_own_advice() {
        for password in [
            "ada-lovelace",
            "Ada-Lovelace-1",
            "ADA-LOVELACE2024",
            "ada-lovelaceada-lovelace",
            "panpanpan",
            "localhost1",
        ] {
            assert_eq!(advice_for(password).as_deref(), Some(CONTEXT), "{password}");
        }
    }

    /// With a name as long as the estimated part, a password could otherwise hide it behind one character.
    #[test]
    fn long_user_name_is_no_password() {
        let user = "kx7-qv2-zj9-wm4-bt5-ph8-rd3-gf6n";
        assert_eq!(user.len(), 32);
        assert_eq!(advice(&format!("1{user}"), user, &[]).as_deref(), Some(CONTEXT));
    }

    proptest! {
        #[test]
        fn any_text_is_estimated(password in any::<String>(), user in "[a-z][a-z0-9_-]{2,31}") {
            let _ = advice(&password, &user, &[]);
        }

        #[test]
        fn text_after_a_hard_password_changes_nothing(more in "[ -~]{0,64}") {
            prop_assert_eq!(advice_for(&format!("vT9#plover-quartz-41/mellow-tundra{more}")), None);
        }
    }
}
