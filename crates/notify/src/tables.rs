//! The only SQL of the domain. Addresses stand in `notify_channel.address` and, until a message has ended, in
//! `notify_message.address`; nowhere else.

use std::collections::HashSet;

use dothi_kernel::{Error, Result, Timestamp};
use dothi_store::{Migration, Param, Row, Store, Tx, params};
use serde_json::Value;
use uuid::Uuid;

use crate::model::{MessageRow, Via};
use crate::pack::{NotifyPack, Urgency};

/// The domain's schema.
pub const MIGRATIONS: &[Migration] = &[Migration {
    domain: "notify",
    version: 1,
    sql: "
create table notify_setting (name TEXT not null primary key, value TEXT not null);
create table notify_pack (name TEXT not null primary key, body TEXT not null, at BIGINT not null);

create table notify_channel (
  id TEXT not null primary key, via TEXT not null, hash TEXT not null, address TEXT not null, shown TEXT not null, p256dh TEXT, auth TEXT,
  lang TEXT not null, at BIGINT not null, ended_at BIGINT, ended_why TEXT, unique (via, hash)
);
create table notify_follow (
  id TEXT not null primary key, channel TEXT not null references notify_channel (id), topic TEXT not null, own BIGINT not null, pace TEXT not null,
  person TEXT, at BIGINT not null, confirmed_at BIGINT, unique (channel, topic)
);
create index notify_follow_topic on notify_follow (topic, confirmed_at);
create index notify_follow_person on notify_follow (person);
create index notify_follow_waiting on notify_follow (confirmed_at, at);

create table notify_message (
  id TEXT not null primary key, mark TEXT not null unique, channel TEXT, via TEXT not null, hash TEXT not null, address TEXT not null, shown TEXT not null,
  template TEXT not null, lang TEXT not null, data TEXT not null, urgency TEXT not null, tag TEXT, code TEXT, state TEXT not null,
  tries BIGINT not null, due_at BIGINT not null, locked_until BIGINT not null, at BIGINT not null, done_at BIGINT, receipt TEXT, reason TEXT
);
create index notify_message_due on notify_message (state, due_at);
create index notify_message_sent on notify_message (hash, done_at);
create index notify_message_channel on notify_message (channel, state);
create index notify_message_code on notify_message (code, state);
create index notify_message_at on notify_message (at);

create table notify_request (who TEXT not null, at BIGINT not null, id TEXT not null, primary key (who, at, id));
",
}];

fn small(value: i64) -> u32 {
    u32::try_from(value).unwrap_or(0)
}

/// A setting of the installation; `fresh` is what it becomes when there is none.
pub(crate) async fn setting(tx: &mut Tx, name: &str, fresh: &str) -> Result<String> {
    tx.exec("insert into notify_setting (name, value) values (?, ?) on conflict (name) do nothing", params![name, fresh]).await?;
    let row = tx.row("select value from notify_setting where name = ?", params![name]).await?;
    row.ok_or_else(|| Error::internal("reading a setting", "no row"))?.text("value")
}

/// Keeps what a pack declares.
pub(crate) async fn put_pack(tx: &mut Tx, name: &str, pack: &NotifyPack) -> Result<()> {
    let now = tx.now();
    tx.exec(
        "insert into notify_pack (name, body, at) values (?, ?, ?) on conflict (name) do update set body = excluded.body, at = excluded.at",
        params![name, Param::json(pack)?, now],
    )
    .await?;
    Ok(())
}

/// What packs declared, by name.
pub(crate) async fn packs(store: &Store) -> Result<Vec<NotifyPack>> {
    store.rows("select body from notify_pack order by name", params![]).await?.iter().map(|r| r.json("body")).collect()
}

/// A way to somebody.
pub(crate) struct Channel {
    pub id: Uuid,
    pub via: Via,
    pub hash: String,
    pub address: String,
    pub shown: String,
    pub p256dh: String,
    pub auth: String,
    pub lang: String,
    pub ended: bool,
}

fn channel_of(r: &Row) -> Result<Channel> {
    Ok(Channel {
        id: r.uuid("id")?,
        via: Via::of(&r.text("via")?),
        hash: r.text("hash")?,
        address: r.text("address")?,
        shown: r.text("shown")?,
        p256dh: r.opt_text("p256dh")?.unwrap_or_default(),
        auth: r.opt_text("auth")?.unwrap_or_default(),
        lang: r.text("lang")?,
        ended: r.opt_int("ended_at")?.is_some(),
    })
}

/// The channel of an address, made when there is none; keys and language are the newest given. `revive` begins an ended one again.
pub(crate) async fn take_channel(tx: &mut Tx, new: &Channel, revive: bool) -> Result<Channel> {
    let (now, id) = (tx.now(), tx.id());
    tx.exec(
        "insert into notify_channel (id, via, hash, address, shown, p256dh, auth, lang, at) values (?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (via, hash) do nothing",
        params![id, new.via.code(), &new.hash, &new.address, &new.shown, &new.p256dh, &new.auth, &new.lang, now],
    )
    .await?;
    if revive {
        tx.exec(
            "update notify_channel set p256dh = ?, auth = ?, lang = ?, ended_at = null, ended_why = null where via = ? and hash = ?",
            params![&new.p256dh, &new.auth, &new.lang, new.via.code(), &new.hash],
        )
        .await?;
    }
    let row = tx.row("select * from notify_channel where via = ? and hash = ?", params![new.via.code(), &new.hash]).await?;
    channel_of(&row.ok_or_else(|| Error::internal("reading a channel", "no row"))?)
}

/// A channel.
pub(crate) async fn channel(store: &Store, id: Uuid) -> Result<Option<Channel>> {
    store.row("select * from notify_channel where id = ?", params![id]).await?.as_ref().map(channel_of).transpose()
}

/// Begins an ended channel again: its owner asked for it.
pub(crate) async fn revive(tx: &mut Tx, id: Uuid) -> Result<()> {
    tx.exec("update notify_channel set ended_at = null, ended_why = null where id = ?", params![id]).await?;
    Ok(())
}

/// Ends a channel with all that it follows and all that waits for it.
pub(crate) async fn end_channel(tx: &mut Tx, id: Uuid, why: &str) -> Result<()> {
    let now = tx.now();
    tx.exec("update notify_channel set ended_at = ?, ended_why = ? where id = ? and ended_at is null", params![now, why, id]).await?;
    tx.exec("delete from notify_follow where channel = ?", params![id]).await?;
    tx.exec(
        "update notify_message set state = 'withdrawn', address = '', data = '{}', done_at = ? where channel = ? and state in ('waiting', 'held')",
        params![now, id],
    )
    .await?;
    Ok(())
}

/// Something that is followed, with its channel.
pub(crate) struct Follow {
    pub id: Uuid,
    pub topic: String,
    pub own: bool,
    pub daily: bool,
    pub person: Option<Uuid>,
    pub at: Timestamp,
    pub confirmed: bool,
    pub channel: Channel,
}

const FOLLOW: &str = "select f.id as follow_id, f.topic, f.own, f.pace, f.person, f.at as follow_at, f.confirmed_at, c.* \
    from notify_follow f join notify_channel c on c.id = f.channel";

fn follow_of(r: &Row) -> Result<Follow> {
    Ok(Follow {
        id: r.uuid("follow_id")?,
        topic: r.text("topic")?,
        own: r.flag("own")?,
        daily: r.text("pace")? == "daily",
        person: r.opt_uuid("person")?,
        at: r.time("follow_at")?,
        confirmed: r.opt_int("confirmed_at")?.is_some(),
        channel: channel_of(r)?,
    })
}

/// Confirmed follows of topics, oldest first, after an id.
pub(crate) async fn followers(store: &Store, topics: &[String], after: &str, limit: usize) -> Result<Vec<Follow>> {
    let marks = dothi_store::marks(topics.len());
    let sql = format!("{FOLLOW} where f.topic in ({marks}) and f.confirmed_at is not null and c.ended_at is null and f.id > ? order by f.id limit ?");
    let mut values: Vec<Param> = topics.iter().map(Param::from).collect();
    values.extend([Param::from(after), Param::from(limit)]);
    store.rows(&sql, values).await?.iter().map(follow_of).collect()
}

/// Which of these topics anybody follows.
pub(crate) async fn followed(store: &Store, topics: &[String]) -> Result<HashSet<String>> {
    let sql = format!("select distinct topic from notify_follow where topic in ({}) and confirmed_at is not null", dothi_store::marks(topics.len()));
    store.rows(&sql, topics.iter().map(Param::from).collect()).await?.iter().map(|r| r.text("topic")).collect()
}

/// What a channel, or a person by any channel, follows; newest first.
pub(crate) async fn follows(store: &Store, channel: Option<Uuid>, person: Option<Uuid>, limit: usize) -> Result<Vec<Follow>> {
    let none = String::new();
    let channel = channel.map_or(none.clone(), |c| c.to_string());
    let person = person.map_or(none, |p| p.to_string());
    let sql = format!("{FOLLOW} where (f.channel = ? or f.person = ?) and c.ended_at is null order by f.at desc, f.id limit ?");
    store.rows(&sql, params![channel, person, limit]).await?.iter().map(follow_of).collect()
}

/// One follow.
pub(crate) async fn follow(store: &Store, id: Uuid) -> Result<Option<Follow>> {
    store.row(&format!("{FOLLOW} where f.id = ?"), params![id]).await?.as_ref().map(follow_of).transpose()
}

/// A new follow.
pub(crate) struct NewFollow<'a> {
    pub channel: Uuid,
    pub topic: &'a str,
    pub own: bool,
    pub pace: &'a str,
    pub person: Option<Uuid>,
    pub confirmed: bool,
}

/// Adds a follow, or gives the one there is its new pace; returns its id and whether it is confirmed.
pub(crate) async fn add_follow(tx: &mut Tx, new: &NewFollow<'_>) -> Result<(Uuid, bool)> {
    let (now, id) = (tx.now(), tx.id());
    let confirmed = new.confirmed.then_some(now);
    tx.exec(
        "insert into notify_follow (id, channel, topic, own, pace, person, at, confirmed_at) values (?, ?, ?, ?, ?, ?, ?, ?) on conflict (channel, topic) \
         do update set pace = excluded.pace, confirmed_at = coalesce(notify_follow.confirmed_at, excluded.confirmed_at)",
        params![id, new.channel, new.topic, new.own, new.pace, new.person, now, confirmed],
    )
    .await?;
    let row = tx.row("select id, confirmed_at from notify_follow where channel = ? and topic = ?", params![new.channel, new.topic]).await?;
    let row = row.ok_or_else(|| Error::internal("following", "no row"))?;
    Ok((row.uuid("id")?, row.opt_int("confirmed_at")?.is_some()))
}

/// Confirms a follow; false when there is none.
pub(crate) async fn confirm(tx: &mut Tx, id: Uuid) -> Result<bool> {
    let now = tx.now();
    Ok(tx.exec("update notify_follow set confirmed_at = coalesce(confirmed_at, ?) where id = ?", params![now, id]).await? == 1)
}

/// Ends a follow.
pub(crate) async fn end_follow(tx: &mut Tx, id: Uuid) -> Result<bool> {
    Ok(tx.exec("delete from notify_follow where id = ?", params![id]).await? == 1)
}

/// How much a channel follows.
pub(crate) async fn count_follows(tx: &mut Tx, channel: Uuid) -> Result<i64> {
    let row = tx.row("select cast(count(*) as bigint) as n from notify_follow where channel = ?", params![channel]).await?;
    row.map_or(Ok(0), |r| r.int("n"))
}

/// Who followed one topic follows another from now on.
pub(crate) async fn move_follows(tx: &mut Tx, from: &str, to: &str) -> Result<()> {
    tx.exec(
        "update notify_follow set topic = ? where topic = ? and not exists (select 1 from notify_follow o where o.channel = notify_follow.channel and o.topic = ?)",
        params![to, from, to],
    )
    .await?;
    tx.exec("delete from notify_follow where topic = ?", params![from]).await?;
    Ok(())
}

/// Requests of somebody since an instant; this one is noted, older ones are forgotten.
pub(crate) async fn note_request(tx: &mut Tx, who: &str, since: Timestamp, forget: Timestamp) -> Result<i64> {
    let (now, id) = (tx.now(), tx.id());
    tx.exec("delete from notify_request where at <= ?", params![forget]).await?;
    let row = tx.row("select cast(count(*) as bigint) as n from notify_request where who = ? and at > ?", params![who, since]).await?;
    let before = row.map_or(Ok(0), |r| r.int("n"))?;
    tx.exec("insert into notify_request (who, at, id) values (?, ?, ?)", params![who, now, id]).await?;
    Ok(before)
}

/// A message as it waits.
pub(crate) struct Message {
    pub id: Uuid,
    pub channel: Option<Uuid>,
    pub via: Via,
    pub hash: String,
    pub address: String,
    pub template: String,
    pub lang: String,
    pub data: Value,
    pub urgency: Urgency,
    pub tag: Option<String>,
    pub code: Option<String>,
    pub tries: u32,
}

/// A new message.
pub(crate) struct NewMessage<'a> {
    /// The same mark is sent once.
    pub mark: String,
    pub channel: Option<Uuid>,
    pub via: Via,
    pub hash: &'a str,
    pub address: &'a str,
    pub shown: &'a str,
    pub template: &'a str,
    pub lang: &'a str,
    pub data: &'a Value,
    pub urgency: Urgency,
    pub tag: Option<String>,
    pub code: Option<&'a str>,
    pub state: &'static str,
    pub due_at: Timestamp,
}

fn urgency_code(u: Urgency) -> &'static str {
    match u {
        Urgency::Normal => "normal",
        Urgency::High => "high",
    }
}

fn urgency_of(code: &str) -> Urgency {
    if code == "high" { Urgency::High } else { Urgency::Normal }
}

/// Puts a message into the outbox; false when one with its mark is there.
pub(crate) async fn put_message(tx: &mut Tx, m: &NewMessage<'_>) -> Result<bool> {
    let (now, id) = (tx.now(), tx.id());
    let fresh = tx
        .exec(
            "insert into notify_message (id, mark, channel, via, hash, address, shown, template, lang, data, urgency, tag, code, state, tries, due_at, locked_until, at) \
             values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, 0, ?) on conflict (mark) do nothing",
            params![
                id,
                &m.mark,
                m.channel,
                m.via.code(),
                m.hash,
                m.address,
                m.shown,
                m.template,
                m.lang,
                Param::json(m.data)?,
                urgency_code(m.urgency),
                m.tag.as_deref(),
                m.code,
                m.state,
                m.due_at,
                now
            ],
        )
        .await?;
    Ok(fresh == 1)
}

fn message_of(r: &Row) -> Result<Message> {
    Ok(Message {
        id: r.uuid("id")?,
        channel: r.opt_uuid("channel")?,
        via: Via::of(&r.text("via")?),
        hash: r.text("hash")?,
        address: r.text("address")?,
        template: r.text("template")?,
        lang: r.text("lang")?,
        data: r.json("data")?,
        urgency: urgency_of(&r.text("urgency")?),
        tag: r.opt_text("tag")?,
        code: r.opt_text("code")?,
        tries: small(r.int("tries")?),
    })
}

/// Takes due messages for a while: nobody else sends them until `until`.
pub(crate) async fn claim(tx: &mut Tx, until: Timestamp, limit: usize) -> Result<Vec<Message>> {
    let now = tx.now();
    let rows = tx
        .rows(
            "select * from notify_message where state = 'waiting' and due_at <= ? and locked_until <= ? order by due_at, id limit ?",
            params![now, now, limit],
        )
        .await?;
    let mut out = Vec::with_capacity(rows.len());
    for row in &rows {
        let message = message_of(row)?;
        let taken = tx
            .exec("update notify_message set locked_until = ? where id = ? and state = 'waiting' and locked_until <= ?", params![until, message.id, now])
            .await?;
        if taken == 1 {
            out.push(message);
        }
    }
    Ok(out)
}

/// When the next message is due, if any waits.
pub(crate) async fn next_due(store: &Store) -> Result<Option<Timestamp>> {
    let row = store.row("select min(due_at) as at from notify_message where state in ('waiting', 'held')", params![]).await?;
    row.map_or(Ok(None), |r| r.opt_time("at"))
}

/// Messages sent to an address since an instant.
pub(crate) async fn sent_since(store: &Store, hash: &str, since: Timestamp) -> Result<i64> {
    let row =
        store.row("select cast(count(*) as bigint) as n from notify_message where hash = ? and done_at > ? and state = 'sent'", params![hash, since]).await?;
    row.map_or(Ok(0), |r| r.int("n"))
}

/// A message was taken: its words and its address are forgotten.
pub(crate) async fn sent(tx: &mut Tx, id: Uuid, receipt: &str) -> Result<()> {
    let now = tx.now();
    tx.exec(
        "update notify_message set state = 'sent', tries = tries + 1, done_at = ?, receipt = ?, reason = null, address = '', data = '{}' where id = ?",
        params![now, receipt, id],
    )
    .await?;
    Ok(())
}

/// A try failed; it is tried again at `due_at`, or given up.
pub(crate) async fn failed(tx: &mut Tx, id: Uuid, reason: &str, due_at: Option<Timestamp>) -> Result<()> {
    let now = tx.now();
    let (state, done) = if due_at.is_some() { ("waiting", None) } else { ("dead", Some(now)) };
    tx.exec(
        "update notify_message set state = ?, tries = tries + 1, due_at = coalesce(?, due_at), locked_until = 0, done_at = ?, reason = ? where id = ? and state = 'waiting'",
        params![state, due_at, done, reason, id],
    )
    .await?;
    Ok(())
}

/// Puts a message off without counting a try.
pub(crate) async fn put_off(tx: &mut Tx, id: Uuid, due_at: Timestamp) -> Result<()> {
    tx.exec("update notify_message set due_at = ?, locked_until = 0 where id = ? and state = 'waiting'", params![due_at, id]).await?;
    Ok(())
}

/// Messages that must not go out any more: of a case and a template, or one by id. Returns how many.
pub(crate) async fn withdraw(tx: &mut Tx, code: &str, template: &str) -> Result<u64> {
    let now = tx.now();
    tx.exec(
        "update notify_message set state = 'withdrawn', done_at = ?, address = '', data = '{}' where code = ? and template = ? and state in ('waiting', 'held')",
        params![now, code, template],
    )
    .await
}

/// Takes back one message that has not gone out.
pub(crate) async fn withdraw_one(tx: &mut Tx, id: Uuid) -> Result<bool> {
    let now = tx.now();
    let done = tx
        .exec(
            "update notify_message set state = 'withdrawn', done_at = ?, address = '', data = '{}' where id = ? and state in ('waiting', 'held', 'dead')",
            params![now, id],
        )
        .await?;
    Ok(done == 1)
}

/// A message that was given up is tried again from the beginning.
pub(crate) async fn again(tx: &mut Tx, id: Uuid) -> Result<bool> {
    let now = tx.now();
    let done = tx
        .exec(
            "update notify_message set state = 'waiting', tries = 0, due_at = ?, locked_until = 0, done_at = null, reason = null where id = ? and state = 'dead'",
            params![now, id],
        )
        .await?;
    Ok(done == 1)
}

/// Channels whose digest is due.
pub(crate) async fn digests_due(store: &Store, now: Timestamp) -> Result<Vec<Uuid>> {
    let rows =
        store.rows("select distinct channel from notify_message where state = 'held' and due_at <= ? and channel is not null limit 200", params![now]).await?;
    rows.iter().map(|r| r.uuid("channel")).collect()
}

/// What waits for a channel's digest, oldest first; it counts as folded.
pub(crate) async fn fold(tx: &mut Tx, channel: Uuid) -> Result<Vec<Message>> {
    let now = tx.now();
    let rows =
        tx.rows("select * from notify_message where channel = ? and state = 'held' and due_at <= ? order by at, id limit 200", params![channel, now]).await?;
    let messages = rows.iter().map(message_of).collect::<Result<Vec<_>>>()?;
    for m in &messages {
        tx.exec("update notify_message set state = 'folded', done_at = ?, address = '', data = '{}' where id = ?", params![now, m.id]).await?;
    }
    Ok(messages)
}

/// Forgets what ended before an instant, requests that nobody confirmed, and channels that nothing needs.
pub(crate) async fn sweep(tx: &mut Tx, ended: Timestamp, unconfirmed: Timestamp) -> Result<()> {
    tx.exec("delete from notify_message where done_at is not null and done_at <= ?", params![ended]).await?;
    tx.exec("delete from notify_follow where confirmed_at is null and at <= ?", params![unconfirmed]).await?;
    // A channel that was ended by its owner stays: it says that nothing may be sent there.
    tx.exec(
        "delete from notify_channel where at <= ? and (ended_at is null or ended_why = 'gone') \
         and not exists (select 1 from notify_follow f where f.channel = notify_channel.id) \
         and not exists (select 1 from notify_message m where m.channel = notify_channel.id)",
        params![ended],
    )
    .await?;
    Ok(())
}

fn row_of(r: &Row) -> Result<MessageRow> {
    Ok(MessageRow {
        id: r.uuid("id")?,
        via: Via::of(&r.text("via")?),
        address: r.text("shown")?,
        template: r.text("template")?,
        code: r.opt_text("code")?,
        state: r.text("state")?,
        urgency: urgency_of(&r.text("urgency")?),
        tries: small(r.int("tries")?),
        due_at: r.time("due_at")?,
        at: r.time("at")?,
        done_at: r.opt_time("done_at")?,
        receipt: r.opt_text("receipt")?,
        reason: r.opt_text("reason")?,
    })
}

/// Messages, newest first, before an instant and id.
pub(crate) async fn messages(store: &Store, state: Option<&str>, before: Option<(Timestamp, Uuid)>, limit: usize) -> Result<Vec<MessageRow>> {
    let mut sql = "select * from notify_message where 1 = 1".to_string();
    let mut values: Vec<Param> = Vec::new();
    if let Some(state) = state {
        sql.push_str(" and state = ?");
        values.push(Param::from(state));
    }
    if let Some((at, id)) = before {
        sql.push_str(" and (at < ? or (at = ? and id < ?))");
        values.extend(params![at, at, id]);
    }
    sql.push_str(" order by at desc, id desc limit ?");
    values.push(Param::from(limit));
    store.rows(&sql, values).await?.iter().map(row_of).collect()
}

/// Waiting, given up, and sent since an instant.
pub(crate) async fn counts(store: &Store, since: Timestamp) -> Result<(i64, i64, i64)> {
    let row = store
        .row(
            "select cast(coalesce(sum(case when state in ('waiting', 'held') then 1 else 0 end), 0) as bigint) as waiting, \
             cast(coalesce(sum(case when state = 'dead' then 1 else 0 end), 0) as bigint) as dead, \
             cast(coalesce(sum(case when state = 'sent' and done_at > ? then 1 else 0 end), 0) as bigint) as sent from notify_message",
            params![since],
        )
        .await?
        .ok_or_else(|| Error::internal("counting messages", "no row"))?;
    Ok((row.int("waiting")?, row.int("dead")?, row.int("sent")?))
}
