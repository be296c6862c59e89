import { useState, type FormEvent } from 'react'
import { usePanelMessages, usePanelPremises, useSaveAccount, useSetMaintenance, useSetPanelKey, type PanelAccount, type PanelAccountInput } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Button, Check, Dialog, FailedNote, Field, format, Input, Note, Select, toast } from '@/ui'

const HOURS = [1, 4, 8, 24, 72] as const
const text = (n: number | null | undefined) => (n == null ? '' : String(n))
const number = (words: string) => (words.trim() === '' ? undefined : Number(words))

function KeyForm({ account }: { account: PanelAccount }) {
  const t = useT()
  const set = useSetPanelKey()
  const [form, setForm] = useState<'hex' | 'text'>('hex')
  const [key, setKey] = useState('')
  const bits = (set.data ?? account).key_bits
  const send = (event: FormEvent) => {
    event.preventDefault()
    set.mutate({ id: account.id, form, key: key.trim() }, { onSuccess: () => { setKey(''); toast(t('panels:key.done')) } })
  }
  return (
    <form className="stack-s" onSubmit={send}>
      <h3>{t('panels:key.title')}</h3>
      <p className="small quiet">{bits ? t('panels:key.has', { n: bits }) : t('panels:key.none')}</p>
      <div className="panel-grid">
        <Field label={t('panels:key.form')}>{ids => <Select {...ids} value={form} onChange={e => setForm(e.target.value === 'text' ? 'text' : 'hex')}><option value="hex">{t('panels:key.hex')}</option><option value="text">{t('panels:key.text')}</option></Select>}</Field>
        <Field label={t('panels:key.key')}>{ids => <Input {...ids} required autoComplete="off" maxLength={64} value={key} onChange={e => setKey(e.target.value)} />}</Field>
      </div>
      <FailedNote error={set.error} />
      <div className="row">
        <Button type="submit" look="secondary" busy={set.isPending} disabled={!key.trim()}>{t('panels:key.set')}</Button>
        {bits ? <Button look="quiet" busy={set.isPending} onClick={() => set.mutate({ id: account.id })}>{t('panels:key.clear')}</Button> : null}
      </div>
    </form>
  )
}

function Maintenance({ account }: { account: PanelAccount }) {
  const t = useT()
  const set = useSetMaintenance()
  const [hours, setHours] = useState('4')
  const [reason, setReason] = useState('')
  const send = (event: FormEvent) => {
    event.preventDefault()
    set.mutate({ id: account.id, until: new Date(Date.now() + Number(hours) * 3_600_000).toISOString(), reason: reason.trim() })
  }
  const on = set.data ? set.data.maintenance_until : account.maintenance_until
  return (
    <form className="stack-s" onSubmit={send}>
      <h3>{t('panels:maintenance.title')}</h3>
      {on ? <Note tone="medium">{t('panels:maintenance.until', { at: format.dateTime(on) })} {account.maintenance_why}</Note> : <p className="small quiet">{t('panels:maintenance.lead')}</p>}
      <div className="panel-grid">
        <Field label={t('panels:maintenance.hours')}>{ids => <Select {...ids} value={hours} onChange={e => setHours(e.target.value)}>{HOURS.map(h => <option key={h} value={h}>{h}</option>)}</Select>}</Field>
        <Field label={t('panels:judge.reason')}>{ids => <Input {...ids} required maxLength={300} value={reason} onChange={e => setReason(e.target.value)} />}</Field>
      </div>
      <FailedNote error={set.error} />
      <div className="row">
        <Button type="submit" look="secondary" busy={set.isPending}>{t('panels:maintenance.begin')}</Button>
        {on ? <Button look="quiet" busy={set.isPending} onClick={() => set.mutate({ id: account.id, reason: '' })}>{t('panels:maintenance.end')}</Button> : null}
      </div>
    </form>
  )
}

function Told({ account }: { account: PanelAccount }) {
  const t = useT()
  const lng = useLanguage()
  const messages = usePanelMessages(account.id)
  return (
    <section className="stack-s">
      <h3>{t('panels:messages.last')}</h3>
      {account.drift == null ? null : <p className="small">{t('panels:account.drift', { n: account.drift })}</p>}
      {account.refused.length ? <ul className="panel-list">{account.refused.map(r => <li key={r.why}><strong>{t(`panels:refused.${r.why}`)}</strong><span className="small quiet">{format.number(r.n)} · {format.dateTime(r.at)}</span></li>)}</ul> : null}
      {messages.data?.length ? (
        <ul className="panel-list">
          {messages.data.slice(0, 20).map((m, n) => <li key={`${m.at} ${n}`}><span className="small tnum">{format.dateTime(m.at)}</span><span className="grow">{m.code_name ? named(lng, m.code_name, m.code_name_en ?? '') : t('panels:messages.unknown')}</span><span className="code">{m.scheme === 'device' ? '' : `${m.code} ${m.area} ${m.zone}`}</span></li>)}
        </ul>
      ) : (
        <p className="quiet">{t('panels:messages.none')}</p>
      )}
    </section>
  )
}

/** A panel: number, premises, clock, supervision; and once it exists its key, maintenance and last messages. */
export function AccountDialog({ account, onClose }: { account: PanelAccount | { account: string }; onClose: () => void }) {
  const t = useT()
  const old = 'id' in account ? account : undefined
  const save = useSaveAccount()
  const premises = usePanelPremises('')
  const places = premises.data?.pages.flatMap(page => page.items) ?? []
  const [form, setForm] = useState({
    account: account.account,
    name: old?.name ?? '',
    premises: old?.premises?.id ?? '',
    past: text(old?.clock_past),
    ahead: text(old?.clock_ahead),
    supervision: old ? text(old.paths[0]?.supervision) : '',
    line: old?.backup_line ?? '',
    backup: text(old?.paths[1]?.supervision),
    active: old?.active ?? true,
  })
  const set = (key: keyof typeof form) => (e: { target: { value: string } }) => setForm(before => ({ ...before, [key]: e.target.value }))
  const send = (event: FormEvent) => {
    event.preventDefault()
    const [past, ahead, supervision, backup] = [number(form.past), number(form.ahead), number(form.supervision), number(form.backup)]
    const input: PanelAccountInput = {
      account: form.account.trim(),
      name: form.name.trim(),
      active: form.active,
      ...(old ? { version: old.version } : {}),
      ...(form.premises ? { premises: form.premises } : {}),
      ...(past === undefined ? {} : { clock_past: past }),
      ...(ahead === undefined ? {} : { clock_ahead: ahead }),
      ...(supervision === undefined ? {} : { supervision }),
      ...(form.line.trim() ? { backup_line: form.line.trim(), ...(backup === undefined ? {} : { backup_supervision: backup }) } : {}),
    }
    save.mutate({ ...(old ? { id: old.id } : {}), input }, { onSuccess: () => { toast(t('panels:saved')); onClose() } })
  }
  return (
    <Dialog open wide onClose={onClose} title={old ? t('panels:account.title', { account: old.account }) : t('panels:account.add')}>
      <form className="stack" onSubmit={send}>
        <div className="panel-grid">
          <Field label={t('panels:account.number')} hint={t('panels:account.number_hint')}>{ids => <Input {...ids} required maxLength={200} value={form.account} onChange={set('account')} />}</Field>
          <Field label={t('panels:account.name')}>{ids => <Input {...ids} maxLength={120} value={form.name} onChange={set('name')} />}</Field>
          <Field label={t('panels:account.premises')}>{ids => <Select {...ids} value={form.premises} onChange={set('premises')}><option value="">{t('panels:account.none')}</option>{old?.premises && !places.some(p => p.id === old.premises?.id) ? <option value={old.premises.id}>{old.premises.name}</option> : null}{places.map(p => <option key={p.id} value={p.id}>{p.code} · {p.name}</option>)}</Select>}</Field>
        </div>
        <div className="panel-grid">
          <Field label={t('panels:account.supervision')}>{ids => <Input {...ids} type="number" min={0} max={604800} value={form.supervision} onChange={set('supervision')} />}</Field>
          <Field label={t('panels:account.line')}>{ids => <Input {...ids} maxLength={6} value={form.line} onChange={set('line')} />}</Field>
          <Field label={t('panels:account.backup')}>{ids => <Input {...ids} type="number" min={0} max={604800} disabled={!form.line.trim()} value={form.backup} onChange={set('backup')} />}</Field>
        </div>
        <div className="panel-grid">
          <Field label={t('panels:account.past')}>{ids => <Input {...ids} type="number" min={0} max={86400} value={form.past} onChange={set('past')} />}</Field>
          <Field label={t('panels:account.ahead')}>{ids => <Input {...ids} type="number" min={0} max={86400} value={form.ahead} onChange={set('ahead')} />}</Field>
          <Check checked={form.active} onChange={e => setForm(before => ({ ...before, active: e.target.checked }))}>{t('panels:account.active')}</Check>
        </div>
        <p className="small quiet">{t('panels:account.blank')}</p>
        <FailedNote error={save.error} />
        <div className="dialog-foot"><Button look="quiet" onClick={onClose}>{t('ui.cancel')}</Button><Button type="submit" busy={save.isPending}>{t('ui.save')}</Button></div>
      </form>
      {old ? <div className="stack">{old.scheme === 'device' ? null : <KeyForm account={old} />}<Maintenance account={old} /><Told account={old} /></div> : null}
    </Dialog>
  )
}
