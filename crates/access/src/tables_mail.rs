//! SQL of letters that people ask for: a new password, a confirmed address.

use dothi_kernel::{Error, Result, Timestamp};
use dothi_store::{Row, Store, Tx, params};
use uuid::Uuid;

/// Which address is confirmed, and what was asked for.
pub(crate) const SCHEMA: &str = "alter table access_person add column email_confirmed_at BIGINT;
create index access_person_email on access_person (email, email_confirmed_at);
create table access_letter (
  id TEXT not null primary key, person TEXT not null, purpose TEXT not null, email TEXT not null, at BIGINT not null, expires_at BIGINT not null, used_at BIGINT
);
create index access_letter_person on access_letter (person, purpose, at);
create table access_setting (name TEXT not null primary key, value TEXT not null);";

/// What somebody asked for.
pub(crate) struct LetterRow {
    pub id: Uuid,
    pub person: Uuid,
    pub purpose: String,
    pub email: String,
    pub expires_at: Timestamp,
    pub used: bool,
}

fn letter_of(r: &Row) -> Result<LetterRow> {
    Ok(LetterRow {
        id: r.uuid("id")?,
        person: r.uuid("person")?,
        purpose: r.text("purpose")?,
        email: r.text("email")?,
        expires_at: r.time("expires_at")?,
        used: r.opt_int("used_at")?.is_some(),
    })
}

/// The secret that links are made with; made on first use.
pub(crate) async fn secret(tx: &mut Tx, fresh: &str) -> Result<String> {
    tx.exec("insert into access_setting (name, value) values ('letters', ?) on conflict (name) do nothing", params![fresh]).await?;
    let row = tx.row("select value from access_setting where name = 'letters'", params![]).await?;
    row.ok_or_else(|| Error::internal("reading a setting", "no row"))?.text("value")
}

/// A person's address and whether it is confirmed.
pub(crate) async fn address(store: &Store, person: Uuid) -> Result<(Option<String>, bool)> {
    let row = store.row("select email, email_confirmed_at from access_person where id = ?", params![person]).await?;
    row.map_or(Ok((None, false)), |r| Ok((r.opt_text("email")?, r.opt_int("email_confirmed_at")?.is_some())))
}

/// The person whose confirmed address this is.
pub(crate) async fn owner(store: &Store, email: &str) -> Result<Option<Uuid>> {
    let row = store.row("select id from access_person where email = ? and email_confirmed_at is not null and active = 1", params![email]).await?;
    row.map(|r| r.uuid("id")).transpose()
}

/// How often somebody asked for this since an instant.
pub(crate) async fn asked(tx: &mut Tx, person: Uuid, purpose: &str, since: Timestamp) -> Result<i64> {
    let row =
        tx.row("select cast(count(*) as bigint) as n from access_letter where person = ? and purpose = ? and at > ?", params![person, purpose, since]).await?;
    row.map_or(Ok(0), |r| r.int("n"))
}

/// Notes what was asked for; what is over for long is forgotten.
pub(crate) async fn insert(tx: &mut Tx, l: &LetterRow, forget: Timestamp) -> Result<()> {
    let now = tx.now();
    tx.exec("delete from access_letter where expires_at <= ?", params![forget]).await?;
    tx.exec(
        "insert into access_letter (id, person, purpose, email, at, expires_at) values (?, ?, ?, ?, ?, ?)",
        params![l.id, l.person, &l.purpose, &l.email, now, l.expires_at],
    )
    .await?;
    Ok(())
}

/// One of them.
pub(crate) async fn letter(store: &Store, id: Uuid) -> Result<Option<LetterRow>> {
    store.row("select * from access_letter where id = ?", params![id]).await?.as_ref().map(letter_of).transpose()
}

/// Uses it up; false when it was used before. The person's other open ones of the purpose end with it.
pub(crate) async fn consume(tx: &mut Tx, l: &LetterRow) -> Result<bool> {
    let now = tx.now();
    let done = tx.exec("update access_letter set used_at = ? where id = ? and used_at is null and expires_at > ?", params![now, l.id, now]).await?;
    tx.exec("update access_letter set used_at = ? where person = ? and purpose = ? and used_at is null", params![now, l.person, &l.purpose]).await?;
    Ok(done == 1)
}

/// The person's address is this, confirmed.
pub(crate) async fn confirm(tx: &mut Tx, person: Uuid, email: &str) -> Result<()> {
    let now = tx.now();
    tx.exec("update access_person set email = ?, email_confirmed_at = ?, changed_at = ? where id = ?", params![email, now, now, person]).await?;
    Ok(())
}
