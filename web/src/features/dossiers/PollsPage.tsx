import { DownloadCloud, Plus } from 'lucide-react'
import { useState } from 'react'
import { useDossierCatalogue, usePollRuns, usePolls, useRemovePoll, useSavePoll, type Poll, type PollDraft } from '@/api'
import { hasText, useT } from '@/i18n'
import { Badge, Button, Card, Check, Dialog, Empty, FailedNote, Field, format, Input, Loaded, Note, PageHeader, Select, toast, useTitle } from '@/ui'

const FRESH: PollDraft = { name: '', source: '', url: '', format: 'json', items: '', since_name: '', cursor_at: '', header: '', minutes: 60, active: true }

function useFault(): (code: string | undefined, detail: string | undefined) => string {
  const t = useT()
  return (code, detail) => (code && hasText(`errors.${code}`) ? t(`errors.${code}`) : detail ?? '')
}

function Edit({ poll, onClose }: { poll: Poll | undefined; onClose: () => void }) {
  const t = useT()
  const save = useSavePoll(poll?.id)
  const remove = useRemovePoll()
  const catalogue = useDossierCatalogue()
  const [draft, setDraft] = useState<PollDraft>(() => {
    if (!poll) return FRESH
    const { name, source, url, format: form, items, since_name, cursor_at, header, minutes, active } = poll
    return { name, source, url, format: form, items, since_name, cursor_at, header, minutes, active }
  })
  const set = (part: Partial<PollDraft>) => setDraft(before => ({ ...before, ...part }))
  const source = draft.source || catalogue.data?.sources[0]?.id || ''
  const json = draft.format === 'json'
  return (
    <Dialog open wide onClose={onClose} title={poll ? poll.name : t('dossiers:poll.add')}>
      <form className="stack" onSubmit={event => (event.preventDefault(), save.mutate({ ...draft, source }, { onSuccess: () => (toast(t('dossiers:poll.saved')), onClose()) }))}>
        <Field label={t('dossiers:poll.name')}>{ids => <Input {...ids} required maxLength={100} value={draft.name} onChange={e => set({ name: e.target.value })} />}</Field>
        <Field label={t('dossiers:poll.url')} hint={t('dossiers:poll.url_hint')}>{ids => <Input {...ids} required type="url" maxLength={2000} value={draft.url} onChange={e => set({ url: e.target.value })} />}</Field>
        <div className="two">
          <Field label={t('dossiers:import.source')}>{ids => <Select {...ids} value={source} onChange={e => set({ source: e.target.value })}>{catalogue.data?.sources.map(s => <option key={s.id} value={s.id}>{s.name}</option>)}</Select>}</Field>
          <Field label={t('dossiers:poll.format')}>{ids => <Select {...ids} value={draft.format} onChange={e => set({ format: e.target.value === 'csv' ? 'csv' : 'json' })}><option value="json">JSON</option><option value="csv">CSV</option></Select>}</Field>
          {json ? <Field label={t('dossiers:poll.items')} hint={t('dossiers:poll.items_hint')}>{ids => <Input {...ids} maxLength={200} placeholder="/data" value={draft.items} onChange={e => set({ items: e.target.value })} />}</Field> : null}
          <Field label={t('dossiers:poll.since')} hint={t('dossiers:poll.since_hint')}>{ids => <Input {...ids} maxLength={100} placeholder="updated_since" value={draft.since_name} onChange={e => set({ since_name: e.target.value })} />}</Field>
          {json ? <Field label={t('dossiers:poll.cursor')} hint={t('dossiers:poll.cursor_hint')}>{ids => <Input {...ids} maxLength={200} placeholder="/next" value={draft.cursor_at} onChange={e => set({ cursor_at: e.target.value })} />}</Field> : null}
          <Field label={t('dossiers:poll.minutes')}>{ids => <Input {...ids} required type="number" min={5} max={1440} value={draft.minutes} onChange={e => set({ minutes: Number(e.target.value) })} />}</Field>
          <Field label={t('dossiers:poll.header')}>{ids => <Input {...ids} maxLength={100} placeholder="Authorization" value={draft.header} onChange={e => set({ header: e.target.value })} />}</Field>
          <Field label={t('dossiers:poll.secret')} hint={poll?.has_secret ? t('dossiers:poll.secret_kept') : undefined}>{ids => <Input {...ids} type="password" autoComplete="off" maxLength={4000} value={draft.secret ?? ''} onChange={e => setDraft(({ secret: _, ...rest }) => (e.target.value ? { ...rest, secret: e.target.value } : rest))} />}</Field>
        </div>
        <Check checked={draft.active} onChange={e => set({ active: e.target.checked })}>{t('dossiers:poll.active')}</Check>
        {poll ? <Check checked={draft.anew ?? false} onChange={e => set({ anew: e.target.checked })}>{t('dossiers:poll.anew')}</Check> : null}
        <FailedNote error={save.error ?? remove.error} />
        <div className="dialog-foot">
          {poll ? <Button look="danger" busy={remove.isPending} onClick={() => remove.mutate(poll.id, { onSuccess: onClose })}>{t('dossiers:poll.remove')}</Button> : null}
          <Button look="quiet" onClick={onClose}>{t('ui.cancel')}</Button>
          <Button type="submit" busy={save.isPending} disabled={!source}>{t('ui.save')}</Button>
        </div>
      </form>
    </Dialog>
  )
}

/** What came of the last times, and what could not be used. */
function Runs({ id }: { id: string }) {
  const t = useT()
  const runs = usePollRuns(id)
  const fault = useFault()
  return (
    <Loaded of={runs} rows={2} height="2rem">
      {list => (
        <ul className="plain-list stack-s">
          {list.slice(0, 10).map(run => (
            <li key={run.at} className="small">
              <span className="tnum">{format.dateTime(run.at)}</span> · {run.fault ? <strong>{fault(run.fault, run.fault_detail)}</strong> : t('dossiers:import.done', { read: run.outcome.read, added: run.outcome.added, changed: run.outcome.changed, unchanged: run.outcome.unchanged + run.outcome.older, rejected: run.outcome.rejected })}
              {run.outcome.rejects.slice(0, 5).map(r => <div key={`${r.line} ${r.code}`} className="quiet">{t('dossiers:import.line', { line: r.line })} {r.dossier}: {fault(r.code, r.detail)}</div>)}
            </li>
          ))}
        </ul>
      )}
    </Loaded>
  )
}

function One({ poll, onEdit }: { poll: Poll; onEdit: () => void }) {
  const t = useT()
  const fault = useFault()
  const [open, setOpen] = useState(false)
  return (
    <Card tight>
      <div className="stack-s">
        <div className="spread">
          <span className="row">
            <strong>{poll.name}</strong>
            <Badge tone={!poll.active ? 'info' : poll.fault ? 'critical' : 'good'}>{t(!poll.active ? 'dossiers:poll.off' : poll.fault ? 'dossiers:poll.failing' : 'dossiers:poll.on')}</Badge>
          </span>
          <Button look="secondary" size="small" onClick={onEdit}>{t('dossiers:poll.edit')}</Button>
        </div>
        <span className="small quiet code" style={{ overflowWrap: 'anywhere' }}>{poll.url}</span>
        <span className="small quiet">{poll.good_at ? t('dossiers:poll.good_at', { at: format.dateTime(poll.good_at) }) : t('dossiers:poll.never')}{poll.active ? ` · ${t('dossiers:poll.due_at', { at: format.dateTime(poll.due_at) })}` : ''}</span>
        {poll.fault ? <Note tone="critical">{fault(poll.fault, poll.fault_detail)} <span className="small">({t('dossiers:poll.tries', { n: poll.tries })})</span></Note> : null}
        <div><Button look="quiet" size="small" aria-expanded={open} onClick={() => setOpen(!open)}>{t('dossiers:poll.runs')}</Button></div>
        {open ? <Runs id={poll.id} /> : null}
      </div>
    </Card>
  )
}

/** `/admin/dossiers`: one-stop systems that are asked for their dossiers by the clock. */
export default function PollsPage() {
  const t = useT()
  useTitle(t('dossiers:poll.title'))
  const polls = usePolls()
  const [editing, setEditing] = useState<Poll | 'new'>()
  return (
    <>
      <PageHeader title={t('dossiers:poll.title')} lead={t('dossiers:poll.lead')} actions={<Button icon={<Plus size={18} aria-hidden />} onClick={() => setEditing('new')}>{t('dossiers:poll.add')}</Button>} />
      <Loaded of={polls} height="3.5rem">
        {list => list.length === 0 ? <Empty icon={<DownloadCloud size={30} aria-hidden />} title={t('dossiers:poll.none')}>{t('dossiers:poll.none_body')}</Empty> : <div className="stack-s">{list.map(poll => <One key={poll.id} poll={poll} onEdit={() => setEditing(poll)} />)}</div>}
      </Loaded>
      {editing ? <Edit poll={editing === 'new' ? undefined : editing} onClose={() => setEditing(undefined)} /> : null}
    </>
  )
}
