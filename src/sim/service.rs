//! The service in front of the world: quota, tokens, faults, routes, and the notes for the oracle.

use std::time::Duration;

use crate::clock::Millis;
use crate::sim::Request;
use crate::sim::auth::Tokens;
use crate::sim::call::{Call, Endpoint};
use crate::sim::command::{self, Act, Applied, Command, CommandError};
use crate::sim::control;
use crate::sim::date::DateHeader;
use crate::sim::fault::inject::Injector;
use crate::sim::fault::{Fault, Rule, alter};
use crate::sim::ledger;
use crate::sim::life::World;
use crate::sim::page::Shown;
use crate::sim::quota::{Quota, Verdict};
use crate::sim::reply::{Cut, Reply, unauthorized};
use crate::sim::route::{self, Answer};
use crate::sim::traffic::{Seen, Traffic};
use crate::sim::truth::{self, Truth};
use crate::sim::world::Options;

/// How long an answer takes near the limit (datto-rmm-api.md section 4).
const BRAKE: Duration = Duration::from_secs(1);

/// One simulated platform with one account.
pub(crate) struct Service {
    pub(crate) injector: Injector,
    world: World,
    start: Millis,
    quota: Quota,
    tokens: Tokens,
    traffic: Traffic,
}

impl Service {
    /// A service that begins at `start`.
    pub(crate) fn new(mut options: Options, start: Millis) -> Self {
        let mut injector = Injector::default();
        injector.replace(std::mem::take(&mut options.faults));
        Self {
            injector,
            world: World::new(options, start),
            start,
            quota: Quota::default(),
            tokens: Tokens::default(),
            traffic: Traffic::default(),
        }
    }

    /// Answers a request that arrives at `now`.
    pub(crate) fn answer(&mut self, request: &Request, now: Millis) -> Reply {
        self.world.advance(now);
        let call = Call::new(&request.host, &request.path_and_query);
        if call.path.starts_with("/sim/") {
            return control::answer(self, request, &call.path);
        }
        let endpoint = Endpoint::of(&call.path);
        let mut reply = match self.quota.judge(self.world.now, &self.world.options) {
            Verdict::Blocked => {
                self.traffic.blocked += 1;
                Reply::blocked()
            }
            Verdict::TooMany(wait) => {
                self.traffic.too_many += 1;
                Reply::too_many(&self.world.options, self.world.now, wait)
            }
            Verdict::Admitted => self.admitted(request, endpoint.as_ref(), &call),
            Verdict::Braked => {
                let reply = self.admitted(request, endpoint.as_ref(), &call);
                Reply { delay: reply.delay.saturating_add(BRAKE), ..reply }
            }
        };
        let date = self.world.options.date.value(self.world.now);
        reply.headers.extend(date.map(|value| ("date".to_owned(), value)));
        let (method, target) = (request.method.clone(), request.path_and_query.clone());
        let seen = Seen { at: self.world.now, method, target, status: reply.status };
        self.traffic.note(endpoint.as_ref().map_or("other", Endpoint::template), seen);
        reply
    }

    /// What is true at `now`.
    pub(crate) fn truth(&self) -> Truth {
        truth::of(&self.world, self.start)
    }

    /// What has been asked.
    pub(crate) fn traffic(&self) -> Traffic {
        Traffic { max_in_window: self.quota.largest(), ..self.traffic.clone() }
    }

    /// Makes a command happen.
    pub(crate) fn apply(&mut self, command: &Command) -> Result<Applied, CommandError> {
        if command.kind == Act::RevokeTokens {
            self.tokens.revoke();
        }
        if command.kind == Act::Block {
            self.quota.block(self.world.now, &self.world.options);
        }
        command::apply(&mut self.world, command)
    }

    /// Lets the world go on to `now`.
    pub(crate) fn advance(&mut self, now: Millis) {
        self.world.advance(now);
    }

    /// Changes what the `Date` header of answers says.
    pub(crate) fn set_date(&mut self, date: DateHeader) {
        self.world.options.date = date;
    }

    fn admitted(&mut self, request: &Request, endpoint: Option<&Endpoint>, call: &Call) -> Reply {
        let strike = self.injector.strike(&call.path, &call.query, self.world.dice);
        let (reply, shown) = match &strike.instead {
            Some(rule) => (Reply::instead(rule, self.world.options.error_body), Vec::new()),
            None => self.true_answer(request, endpoint, call, &strike.alter),
        };
        let reply = strike.alter.iter().fold(reply, on_the_way);
        if reply.status == 200 && reply.cut == Cut::None {
            self.mark(&shown);
        }
        reply
    }

    fn true_answer(
        &mut self,
        request: &Request,
        endpoint: Option<&Endpoint>,
        call: &Call,
        rules: &[Rule],
    ) -> (Reply, Vec<Shown>) {
        let form = self.world.options.error_body;
        let Some(endpoint) = endpoint else {
            let message = format!("No static resource {}.", call.path.trim_start_matches("/api/"));
            return (Reply::error(form, 404, &message), Vec::new());
        };
        let wanted = if *endpoint == Endpoint::Token { "POST" } else { "GET" };
        if request.method != wanted {
            return (Reply::error(form, 405, "method not allowed"), Vec::new());
        }
        if *endpoint == Endpoint::Token {
            return (self.login(request), Vec::new());
        }
        let open_to_all = *endpoint == Endpoint::Status;
        if !open_to_all && !self.tokens.admit(request.authorization.as_deref(), self.world.now) {
            return (Reply::json(401, &unauthorized()), Vec::new());
        }
        let used = self.quota.used(self.world.now, &self.world.options);
        let ignores_place = rules.iter().any(|rule| rule.kind == Fault::IgnoresPlace);
        let first = ignores_place.then(|| call.without("page").without("searchAfter"));
        match route::answer(&self.world, endpoint, first.as_ref().unwrap_or(call), used) {
            Answer::Json(status, body) => (Reply::json(status, &body), Vec::new()),
            Answer::Record(body, shown) => (Reply::json(200, &body), vec![shown]),
            Answer::Page(mut page) => {
                let turn = usize::try_from(self.traffic.requests).unwrap_or(0);
                alter::alter(&mut page, rules, &call.url(), turn);
                (Reply::of_bytes(200, page.to_bytes()), page.shown)
            }
        }
    }

    fn login(&mut self, request: &Request) -> Reply {
        let login = self.tokens.login(request, self.world.now, self.world.dice, &self.world.options);
        match login.status {
            200 => self.traffic.logins += 1,
            _ => self.traffic.refused_logins += 1,
        }
        Reply::json(login.status, &login.body)
    }

    fn mark(&mut self, shown: &[Shown]) {
        for one in shown {
            match *one {
                Shown::Alert(place) => self.world.alerts.mark_shown(place),
                Shown::Row(place) => self.world.activity.mark_shown(place),
                Shown::Device(place) => ledger::mark_device(&mut self.world, place),
                Shown::Site(place) => ledger::mark_site(&mut self.world, place),
            }
        }
    }
}

/// What `rule` does to an answer on its way out.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds have done their part in the page")]
fn on_the_way(mut reply: Reply, rule: &Rule) -> Reply {
    match rule.kind {
        Fault::Truncate if reply.cut == Cut::None => {
            reply.cut = Cut::Truncate(rule.bytes.unwrap_or(reply.body.len() / 2).min(reply.body.len()))
        }
        Fault::SlowAnswer => reply.delay = reply.delay.saturating_add(rule.duration()),
        Fault::SlowBody => reply.trickle = rule.duration(),
        _ => {}
    }
    reply
}
