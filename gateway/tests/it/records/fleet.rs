//! One-time codes and certificates over HTTP, as an agent and an administrator see them.

use super::world::Gateway;
use contract::enrol::{Answer, Code, Request, Sealed};
use contract::{AgentId, SiteId, Timestamp};
use gateway::certificate::Certificate;
use gateway::fleet::{decide::Pending, store};
use gateway::store::{Records, verify_history};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};

fn request(code: &Code) -> Request {
    let key = KeyPair::generate().unwrap();
    let csr = CertificateParams::default().serialize_request(&key);
    let (secret, csr) = (code.secret(), csr.unwrap().pem().unwrap());
    Request {
        code: secret.id(),
        seal: secret.seal_request(&csr),
        csr,
    }
}

impl Gateway {
    async fn enroll(&self, request: &Request) -> (u16, String) {
        let body = serde_json::to_value(request).unwrap();
        self.post("nobody", "/api/enroll", body).await
    }

    async fn code(&self, agent: &str) -> Code {
        let body = json!({ "agent": agent, "site": "restaurant" });
        let (status, text) = self.post("root", "/api/agents", body).await;
        assert_eq!(status, 200, "{text}");
        let said: Value = serde_json::from_str(&text).unwrap();
        said["code"].as_str().unwrap().parse().unwrap()
    }

    async fn agent(&self, name: &str) -> Value {
        let fleet = self.get("/api/agents").await;
        let agents = fleet["agents"].as_array().unwrap();
        let found = agents.iter().find(|agent| agent["agent"] == name);
        found.cloned().unwrap_or_default()
    }

    fn records(&self) -> Records {
        Records::open(&self.folder.path().join("data/records.db")).unwrap()
    }
}

fn is_refused(answer: &(u16, String), status: u16, zh: &str, en: &str) {
    let said: Value = serde_json::from_str(&answer.1).unwrap();
    let words = |lang: &str| said["message"][lang].as_str().unwrap().to_owned();
    assert!(answer.0 == status, "{answer:?}");
    assert!(
        words("zh").contains(zh) && words("en").contains(en),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_works_once_and_a_lost_answer_is_given_again_to_the_same_key() {
    let gateway = Gateway::start("http://127.0.0.1:1").await;
    let code = gateway.code("box-7").await;
    let waiting = gateway.agent("box-7").await;
    assert_eq!(
        (&waiting["standing"], &waiting["code"]["state"]),
        (&json!("waiting"), &json!("pending"))
    );
    let first = request(&code);
    let (status, text) = gateway.enroll(&first).await;
    assert_eq!(status, 200, "{text}");
    let sealed: Sealed = serde_json::from_str(&text).unwrap();
    assert!(
        code.secret()
            .is_of_answer(&first.csr, &sealed.answer, &sealed.seal)
    );
    let answer: Answer = serde_json::from_str(&sealed.answer).unwrap();
    let certificate = Certificate::from_pem(&answer.certificate).unwrap();
    assert_eq!(
        (certificate.name.as_str(), answer.site.as_str()),
        ("box-7", "restaurant")
    );
    assert_eq!(answer.port, gateway.running.mqtt_tls.unwrap().port());

    let again: Sealed = serde_json::from_str(&gateway.enroll(&first).await.1).unwrap();
    assert_eq!(again, sealed);
    let other_box = gateway.enroll(&request(&code)).await;
    is_refused(&other_box, 409, "只能用一次", "was used");
    let agent = gateway.agent("box-7").await;
    assert_eq!(agent["standing"], "good");
    assert_eq!(agent["code"]["state"], "used");
    assert_eq!(agent["certificate"]["fingerprint"], certificate.fingerprint);
    let revoke = "/api/agents/box-7/revoke";
    let nameless = gateway.post("root", revoke, json!({ "reason": " " })).await;
    is_refused(&nameless, 400, "原因", "why");
    let because = json!({ "reason": "stolen" });
    let (status, text) = gateway.post("root", revoke, because).await;
    assert_eq!(status, 200, "{text}");
    assert_eq!(gateway.agent("box-7").await["standing"], "revoked");
    assert!(verify_history(&gateway.records()).unwrap().unwrap() >= 3);
    gateway.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_late_replaced_and_forged_codes_are_refused_in_words_counted_and_limited() {
    let gateway = Gateway::start("http://127.0.0.1:1").await;
    let (replaced, code) = (gateway.code("box-7").await, gateway.code("box-7").await);
    let unknown = gateway.enroll(&request(&replaced)).await;
    is_refused(&unknown, 403, "没有这个接入码", "not known");

    // Who names the code without knowing it can seal nothing.
    let forged = Request {
        seal: replaced.secret().seal_request("csr"),
        ..request(&code)
    };
    is_refused(
        &gateway.enroll(&forged).await,
        403,
        "没有这个接入码",
        "not known",
    );
    assert_eq!(gateway.agent("box-7").await["code"]["wrong"], 1);

    let late = Code::from_random([9; 19]);
    let pending = Pending {
        id: late.secret().id(),
        agent: AgentId::new("box-8").unwrap(),
        site: SiteId::new("restaurant").unwrap(),
        secret: late.secret(),
        made_by: "command".into(),
        made_at: Timestamp::now().plus_millis(-900_000),
        valid_to: Timestamp::now().plus_millis(-1),
        used_at: None,
        public_key: None,
        wrong: 0,
    };
    store::add_code(&gateway.records(), &pending).unwrap();
    is_refused(
        &gateway.enroll(&request(&late)).await,
        403,
        "过期",
        "ran out",
    );

    for _ in 3..10 {
        gateway.enroll(&request(&replaced)).await;
    }
    assert_eq!(gateway.get("/api/agents").await["wrong_codes"], 10);
    let right = gateway.enroll(&request(&code)).await;
    is_refused(&right, 429, "一分钟", "wait a minute");
    let elsewhere = json!({ "agent": "agent-restaurant", "site": "boiler-plant" });
    let elsewhere = gateway.post("root", "/api/agents", elsewhere).await;
    is_refused(&elsewhere, 409, "属于场所", "belongs to site restaurant");
    gateway.running.stop().await;
}
