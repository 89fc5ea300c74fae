//! An authenticator in software: creates a passkey and signs with it. Tests can change everything that it signs.

use base64ct::{Base64UrlUnpadded, Encoding};
use p256::ecdsa::{Signature, SigningKey, signature::Signer};
use protocol::{
    built_in::AddPasskey,
    passkey::{self, PasskeyId},
};
use rsa::{PrivateKey, pkcs1v15, signature::SignatureEncoding, traits::PublicKeyParts};
use serde_json::json;
use server::random::random;
use sha2::{Digest, Sha256};

use crate::{
    TestApp,
    browser::{Browser, Signed, new_key, sign},
};

pub(crate) const PRESENT: u8 = 0x01;
pub(crate) const VERIFIED: u8 = 0x04;
const HAS_CREDENTIAL: u8 = 0x40;

fn encode(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

/// The key of a passkey.
#[derive(Clone)]
pub(crate) enum Key {
    Es256(SigningKey),
    Rs256(PrivateKey),
}

impl Key {
    pub(crate) fn es256() -> Self {
        Self::Es256(new_key())
    }

    /// Generating one takes a while without optimisation.
    pub(crate) fn rs256() -> Self {
        Self::Rs256(PrivateKey::new(&mut getrandom::SysRng, 2048).expect("a key"))
    }

    /// The canonical CBOR of the COSE key.
    fn cose(&self) -> Vec<u8> {
        match self {
            Self::Es256(key) => {
                let point = key.verifying_key().to_sec1_point(false);
                let (x, y) = (&point.as_bytes()[1..33], &point.as_bytes()[33..]);
                [&[0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 0x20], x, &[0x22, 0x58, 0x20], y].concat()
            }
            Self::Rs256(key) => {
                let (n, e) = (key.n_bytes(), key.e_bytes());
                let before_n = [0xa4, 1, 3, 3, 0x39, 1, 0, 0x20, 0x59, 1, 0];
                [before_n.as_slice(), &n, &[0x21, 0x43], &e].concat()
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Es256(key) => Signer::<Signature>::sign(key, message).to_der().as_bytes().to_vec(),
            Self::Rs256(key) => pkcs1v15::SigningKey::<rsa::sha2::Sha256>::new(key.clone()).sign(message).to_vec(),
        }
    }
}

/// What the browser and the authenticator sign.
pub(crate) struct Ceremony {
    pub kind: &'static str,
    pub challenge: [u8; 32],
    pub origin: String,
    pub cross_origin: Option<bool>,
    pub top_origin: Option<String>,
    pub rp_id: String,
    pub flags: u8,
    pub counter: u32,
    /// The user handle that the authenticator returns.
    pub user: Option<Vec<u8>>,
}

impl Ceremony {
    fn client_data(&self) -> Vec<u8> {
        let mut data = json!({ "type": self.kind, "challenge": encode(&self.challenge), "origin": self.origin });
        if let Some(cross_origin) = self.cross_origin {
            data["crossOrigin"] = cross_origin.into();
        }
        if let Some(top_origin) = &self.top_origin {
            data["topOrigin"] = top_origin.as_str().into();
        }
        data.to_string().into_bytes()
    }

    fn authenticator_data(&self, flags: u8) -> Vec<u8> {
        [Sha256::digest(&self.rp_id).as_slice(), &[self.flags | flags], &self.counter.to_be_bytes()].concat()
    }
}

/// A change to what is signed.
pub(crate) type Change<'a> = &'a dyn Fn(&mut Ceremony);

/// One passkey.
#[derive(Clone)]
pub(crate) struct Authenticator {
    pub key: Key,
    pub id: Vec<u8>,
    /// The user handle.
    pub user: Vec<u8>,
    pub counter: u32,
}

impl Authenticator {
    pub(crate) fn new(user: &str) -> Self {
        let user = Sha256::digest(format!("pan-passkey-user\0{user}")).to_vec();
        Self { key: Key::es256(), id: random::<32>().expect("randomness").to_vec(), user, counter: 0 }
    }

    pub(crate) fn id(&self) -> PasskeyId {
        encode(&self.id).parse().expect("a credential ID")
    }

    fn ceremony(&mut self, kind: &'static str, signed: &str) -> Ceremony {
        self.counter += 1;
        Ceremony {
            kind,
            challenge: passkey::challenge(signed),
            origin: "http://sign.pan.localhost:3000".to_owned(),
            cross_origin: Some(false),
            top_origin: None,
            rp_id: "sign.pan.localhost".to_owned(),
            flags: PRESENT | VERIFIED,
            counter: self.counter,
            user: Some(self.user.clone()),
        }
    }

    /// Creates the passkey for a signed text. Returns the JSON of the browser.
    pub(crate) fn create(&mut self, signed: &str, change: Change) -> String {
        let mut ceremony = self.ceremony("webauthn.create", signed);
        change(&mut ceremony);
        let credential = [
            ceremony.authenticator_data(HAS_CREDENTIAL).as_slice(),
            &[0; 16],
            &u16::try_from(self.id.len()).expect("a length").to_be_bytes(),
            &self.id,
            &self.key.cose(),
        ]
        .concat();
        json!({
            "id": encode(&self.id),
            "rawId": encode(&self.id),
            "type": "public-key",
            "response": { "clientDataJSON": encode(&ceremony.client_data()), "authenticatorData": encode(&credential) },
            "clientExtensionResults": {},
        })
        .to_string()
    }

    /// Signs a text. Returns the JSON of the browser.
    pub(crate) fn assert(&mut self, signed: &str, change: Change) -> String {
        let mut ceremony = self.ceremony("webauthn.get", signed);
        change(&mut ceremony);
        let (client_data, data) = (ceremony.client_data(), ceremony.authenticator_data(0));
        let signature = self.key.sign(&[data.as_slice(), Sha256::digest(&client_data).as_slice()].concat());
        json!({
            "id": encode(&self.id),
            "rawId": encode(&self.id),
            "type": "public-key",
            "response": {
                "clientDataJSON": encode(&client_data),
                "authenticatorData": encode(&data),
                "signature": encode(&signature),
                "userHandle": ceremony.user.as_deref().map(encode),
            },
            "clientExtensionResults": {},
        })
        .to_string()
    }

    /// Adds the assertion to a signed request.
    pub(crate) fn attest(&mut self, request: Signed) -> Signed {
        self.attest_with(request, &|_| ())
    }

    /// Adds an assertion that the test changes.
    pub(crate) fn attest_with(&mut self, request: Signed, change: Change) -> Signed {
        let assertion = passkey::header(&self.assert(&request.base, change));
        request.with("pan-passkey", &assertion)
    }

    /// A request that adds this passkey.
    pub(crate) fn register_of(&mut self, browser: &mut Browser, app: &TestApp, name: &str) -> Signed {
        let add = AddPasskey { name: name.parse().expect("a name") };
        let request = browser.request(app, &add);
        self.register_with(browser, request, &|_| ())
    }

    /// Adds a registration that the test changes.
    pub(crate) fn register_with(&mut self, browser: &Browser, request: Signed, change: Change) -> Signed {
        let registration = self.create(&request.base, change);
        with_registration(browser, request, &registration)
    }
}

/// Adds the text of a registration to a request, as the confirmation window does.
pub(crate) fn with_registration(browser: &Browser, request: Signed, registration: &str) -> Signed {
    let statement = passkey::new_passkey_statement(&passkey::challenge(&request.base), registration);
    let header = passkey::new_passkey_header(registration, &sign(&browser.confirmation, &statement));
    request.with("pan-new-passkey", &header)
}
