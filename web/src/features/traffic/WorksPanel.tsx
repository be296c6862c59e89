import { Plus } from 'lucide-react'
import { useState, type FormEvent } from 'react'
import { can, useMe, usePublishWork, useRoadWorks, useSaveWork, useTrafficSegments, type RoadClosure, type RoadWork } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Badge, Button, Check, Dialog, Empty, FailedNote, Field, format, Input, Loaded, Note, Select, toast, toastError } from '@/ui'

const DAYS = [1, 2, 3, 4, 5, 6, 7] as const
const local = (iso: string) => {
  const at = new Date(iso)
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16)
}

function WorkDialog({ old, onClose }: { old?: RoadWork; onClose: () => void }) {
  const t = useT()
  const me = useMe()
  const save = useSaveWork()
  const segments = useTrafficSegments('')
  const roads = segments.data?.pages.flatMap(page => page.items) ?? []
  const [form, setForm] = useState({
    kind: old?.kind ?? 'work', title: old?.title ?? '', title_en: old?.title_en ?? '', from: old ? local(old.from) : '', to: old ? local(old.to) : '', closes: (old?.closes ?? 'lane') as RoadClosure,
    detour: old?.detour ?? '', unit: old?.unit ?? me.data?.grants[0]?.unit.id ?? '', contact: old?.contact ?? '', permit: old?.permit ?? '', begins: old?.hours?.from.slice(0, 5) ?? '22:00', ends: old?.hours?.to.slice(0, 5) ?? '05:00',
  })
  const [chosen, setChosen] = useState<readonly string[]>(old?.segments ?? [])
  const [nights, setNights] = useState(Boolean(old?.hours))
  const [days, setDays] = useState<readonly number[]>(old?.hours?.days ?? [])
  const set = (key: keyof typeof form) => (e: { target: { value: string } }) => setForm(before => ({ ...before, [key]: e.target.value }))
  const send = (event: FormEvent) => {
    event.preventDefault()
    const { begins, ends, ...rest } = form
    const input = {
      ...rest, from: new Date(form.from).toISOString(), to: new Date(form.to).toISOString(), segments: [...chosen], line: old?.line ?? [], area: old?.area ?? '',
      hours: nights ? { from: `${begins}:00`, to: `${ends}:00`, days: [...days] } : null, ...(old?.version === undefined ? {} : { version: old.version }),
    }
    save.mutate({ ...(old ? { id: old.id } : {}), input }, { onSuccess: () => { toast(t('traffic:saved')); onClose() } })
  }
  return (
    <Dialog open wide onClose={onClose} title={t(old ? 'traffic:work.change' : 'traffic:work.add')}>
      <form className="stack" onSubmit={send}>
        <div className="road-grid">
          <Field label={t('traffic:work.kind')}>{ids => <Select {...ids} value={form.kind} onChange={set('kind')}>{(['work', 'event', 'closure'] as const).map(k => <option key={k} value={k}>{t(`traffic:work.kinds.${k}`)}</option>)}</Select>}</Field>
          <Field label={t('traffic:work.name')}>{ids => <Input {...ids} required maxLength={200} value={form.title} onChange={set('title')} />}</Field>
          <Field label={t('traffic:work.name_en')}>{ids => <Input {...ids} maxLength={200} value={form.title_en} onChange={set('title_en')} />}</Field>
          <Field label={t('traffic:work.from')}>{ids => <Input {...ids} type="datetime-local" required value={form.from} onChange={set('from')} />}</Field>
          <Field label={t('traffic:work.to')}>{ids => <Input {...ids} type="datetime-local" required value={form.to} onChange={set('to')} />}</Field>
          <Field label={t('traffic:work.closes')}>{ids => <Select {...ids} value={form.closes} onChange={set('closes')}>{(['none', 'lane', 'direction', 'full'] as const).map(c => <option key={c} value={c}>{t(`traffic:work.closure.${c}`)}</option>)}</Select>}</Field>
        </div>
        <Check checked={nights} onChange={e => setNights(e.target.checked)}>{t('traffic:work.recurs')}</Check>
        {nights ? (
          <div className="road-grid">
            <Field label={t('traffic:work.begins')}>{ids => <Input {...ids} type="time" required value={form.begins} onChange={set('begins')} />}</Field>
            <Field label={t('traffic:work.ends')}>{ids => <Input {...ids} type="time" required value={form.ends} onChange={set('ends')} />}</Field>
            <fieldset className="road-days"><legend>{t('traffic:work.days')}</legend>{DAYS.map(d => <Check key={d} checked={days.includes(d)} onChange={e => setDays(e.target.checked ? [...days, d] : days.filter(x => x !== d))}>{t(`traffic:day_of.${d}`)}</Check>)}</fieldset>
          </div>
        ) : null}
        <fieldset className="road-days road-segments"><legend>{t('traffic:work.segments')}</legend>{roads.map(s => <Check key={s.id} checked={chosen.includes(s.code)} onChange={e => setChosen(e.target.checked ? [...chosen, s.code] : chosen.filter(c => c !== s.code))}>{s.name} · {s.direction}</Check>)}</fieldset>
        <div className="road-grid">
          <Field label={t('traffic:work.detour')}>{ids => <Input {...ids} maxLength={500} value={form.detour} onChange={set('detour')} />}</Field>
          <Field label={t('traffic:work.unit')} hint={t('traffic:work.unit_hint')}>{ids => <Input {...ids} required maxLength={60} value={form.unit} onChange={set('unit')} />}</Field>
          <Field label={t('traffic:work.contact')} hint={t('traffic:work.contact_hint')}>{ids => <Input {...ids} maxLength={120} value={form.contact} onChange={set('contact')} />}</Field>
          <Field label={t('traffic:work.permit')}>{ids => <Input {...ids} maxLength={80} value={form.permit} onChange={set('permit')} />}</Field>
        </div>
        <FailedNote error={save.error} />
        <div className="dialog-foot"><Button look="quiet" onClick={onClose}>{t('ui.cancel')}</Button><Button type="submit" busy={save.isPending}>{t('ui.save')}</Button></div>
      </form>
    </Dialog>
  )
}

/** Works and events, with those that meet; a person who may publishes them. */
export function WorksPanel() {
  const t = useT()
  const lng = useLanguage()
  const me = useMe()
  const works = useRoadWorks('open')
  const publish = usePublishWork()
  const [editing, setEditing] = useState<RoadWork | 'new'>()
  const items = works.data?.pages.flatMap(page => page.items) ?? []
  const word = (w: RoadWork, yes: boolean) => publish.mutate({ id: w.id, version: w.version ?? 1, publish: yes }, { onError: toastError })
  return (
    <div className="stack">
      {can(me.data, 'traffic-handle') ? <div><Button look="secondary" icon={<Plus size={18} aria-hidden />} onClick={() => setEditing('new')}>{t('traffic:work.add')}</Button></div> : null}
      <Loaded of={works}>
        {() =>
          items.length === 0 ? (
            <Empty title={t('traffic:work.none')}>{t('traffic:work.none_body')}</Empty>
          ) : (
            <ul className="road-cards">
              {items.map(w => (
                <li key={w.id} className="road-card">
                  <div className="row"><strong className="grow">{named(lng, w.title, w.title_en)}</strong><Badge tone={w.state === 'published' ? 'good' : w.state === 'draft' ? 'medium' : 'info'}>{t(`traffic:work.state.${w.state}`)}</Badge>{w.active ? <Badge tone="high">{t('traffic:work.now')}</Badge> : null}</div>
                  <p className="small">{t(`traffic:work.kinds.${w.kind}`)} · {t(`traffic:work.closure.${w.closes}`)} · {format.dateTime(w.from)} – {format.dateTime(w.to)}{w.hours ? ` · ${w.hours.from.slice(0, 5)}–${w.hours.to.slice(0, 5)}` : ''}</p>
                  <p className="small quiet">{[w.unit_ref?.name, w.contact, w.permit].filter(Boolean).join(' · ')}</p>
                  {w.conflicts.length ? <Note tone="high">{t('traffic:work.conflict', { with: w.conflicts.map(c => `${c.title} (${format.dateTime(c.at)})`).join('; ') })}</Note> : null}
                  <div className="row">
                    {can(me.data, 'traffic-approve') && w.state !== 'published' ? <Button size="small" busy={publish.isPending} onClick={() => word(w, true)}>{t('traffic:work.publish')}</Button> : null}
                    {can(me.data, 'traffic-approve') && w.state === 'published' ? <Button size="small" look="secondary" busy={publish.isPending} onClick={() => word(w, false)}>{t('traffic:work.withdraw')}</Button> : null}
                    {can(me.data, 'traffic-handle') ? <Button size="small" look="quiet" onClick={() => setEditing(w)}>{t('traffic:work.change')}</Button> : null}
                  </div>
                </li>
              ))}
              {works.hasNextPage ? <li><Button look="secondary" wide busy={works.isFetchingNextPage} onClick={() => void works.fetchNextPage()}>{t('ui.more')}</Button></li> : null}
            </ul>
          )
        }
      </Loaded>
      {editing ? <WorkDialog key={editing === 'new' ? 'new' : editing.id} {...(editing === 'new' ? {} : { old: editing })} onClose={() => setEditing(undefined)} /> : null}
    </div>
  )
}
