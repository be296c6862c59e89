import { Pencil, Plus, UsersRound } from 'lucide-react'
import { useState } from 'react'
import { useCrewPeople, useCrews, useMe, useOrders, usePutCrew, type Crew, type CrewDraft } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Badge, Button, Card, Check, Dialog, Due, Empty, FailedNote, Field, Input, Loaded, PageHeader, Select, toast, useTitle } from '@/ui'
import '../cases.css'
import './field.css'

function CrewDialog({ crew, units, onClose }: { crew: Crew | undefined; units: readonly { id: string; name: string }[]; onClose: () => void }) {
  const t = useT()
  const put = usePutCrew()
  const [draft, setDraft] = useState<CrewDraft>(crew ? { unit: crew.unit.id, name: crew.name, leader: crew.leader.id, members: crew.members.map(one => one.id), active: crew.active } : { unit: units[0]?.id ?? '', name: '', leader: '', members: [], active: true })
  const people = useCrewPeople(draft.unit)
  const set = (part: Partial<CrewDraft>) => setDraft(before => ({ ...before, ...part }))
  const chosen = new Set(draft.members)
  return (
    <Dialog open onClose={onClose} title={crew ? crew.name : t('field:crews.new')}>
      <form className="stack" onSubmit={event => (event.preventDefault(), put.mutate({ id: crew?.id, draft }, { onSuccess: () => (toast(t('field:crews.saved')), onClose()) }))}>
        {crew ? null : <Field label={t('field:crews.unit')}>{ids => <Select {...ids} required value={draft.unit} onChange={e => set({ unit: e.target.value, members: [], leader: '' })}>{units.map(unit => <option key={unit.id} value={unit.id}>{unit.name}</option>)}</Select>}</Field>}
        <Field label={t('field:crews.name')}>{ids => <Input {...ids} required maxLength={120} value={draft.name} onChange={e => set({ name: e.target.value })} />}</Field>
        <Loaded of={people} rows={3} height="2rem">
          {list =>
            list.length === 0 ? (
              <p className="quiet">{t('field:crews.nobody')}</p>
            ) : (
              <fieldset className="stack-s">
                <legend className="field-label">{t('field:crews.members')}</legend>
                {list.map(one => <Check key={one.id} checked={chosen.has(one.id)} onChange={e => set({ members: e.target.checked ? [...draft.members, one.id] : draft.members.filter(id => id !== one.id), leader: draft.leader || one.id })}>{one.name}</Check>)}
                <Field label={t('field:crews.leader')}>{ids => <Select {...ids} required value={draft.leader} onChange={e => set({ leader: e.target.value })}>{list.filter(one => chosen.has(one.id)).map(one => <option key={one.id} value={one.id}>{one.name}</option>)}</Select>}</Field>
              </fieldset>
            )
          }
        </Loaded>
        <Check checked={draft.active} onChange={e => set({ active: e.target.checked })}>{t('field:crews.active')}</Check>
        <FailedNote error={put.error} />
        <div className="dialog-foot">
          <Button look="secondary" onClick={onClose}>{t('ui.cancel')}</Button>
          <Button type="submit" busy={put.isPending} disabled={!draft.name.trim() || !draft.leader}>{t('ui.save')}</Button>
        </div>
      </form>
    </Dialog>
  )
}

/** Crews of the unit, and the orders that are under way. */
export default function CrewsPage() {
  const t = useT()
  const lng = useLanguage()
  useTitle(t('field:crews.title'))
  const me = useMe()
  const crews = useCrews()
  const orders = useOrders({ view: 'unit' })
  const [open, setOpen] = useState<Crew | 'new'>()
  const units = [...new Map((me.data?.grants ?? []).map(grant => [grant.unit.id, grant.unit])).values()]
  return (
    <>
      <PageHeader title={t('field:crews.title')} lead={t('field:crews.lead')} actions={<Button icon={<Plus size={18} aria-hidden />} onClick={() => setOpen('new')}>{t('field:crews.new')}</Button>} />
      <div className="stack">
        <Loaded of={crews}>
          {list =>
            list.length === 0 ? (
              <Empty icon={<UsersRound size={30} aria-hidden />} title={t('field:crews.none')}>{t('field:crews.none_body')}</Empty>
            ) : (
              <ul className="plain-list order-list">
                {list.map(crew => (
                  <li key={crew.id}>
                    <Card tight>
                      <div className="spread">
                        <div className="stack-s">
                          <h3>{crew.name}</h3>
                          <span className="case-meta"><span>{crew.unit.name}</span><span>{t('field:crews.led', { name: crew.leader.name })}</span><span>{crew.members.map(one => one.name).join(', ')}</span></span>
                          <span className="row"><Badge>{t('field:crews.orders', { n: crew.open_orders })}</Badge>{crew.active ? null : <Badge tone="waiting">{t('field:crews.resting')}</Badge>}</span>
                        </div>
                        <Button look="quiet" iconOnly icon={<Pencil size={18} aria-hidden />} onClick={() => setOpen(crew)}>{t('field:crews.edit', { name: crew.name })}</Button>
                      </div>
                    </Card>
                  </li>
                ))}
              </ul>
            )
          }
        </Loaded>
        <h2>{t('field:crews.under_way')}</h2>
        <Loaded of={orders}>
          {page =>
            page.items.length === 0 ? <p className="quiet">{t('field:crews.no_orders')}</p> : (
              <ul className="plain-list order-list">
                {page.items.map(order => (
                  <li key={order.id}>
                    <a className="order-card order-card-two" href={`/work/field/${order.id}`}>
                      <span className="case-body"><strong>{order.text}</strong><span className="case-meta"><span className="tnum">{order.code}</span><span>{order.crew_name}</span><span>{order.area_name}</span></span></span>
                      <span className="stack-s"><Badge tone={order.phase}>{named(lng, order.state_name, order.state_name_en)}</Badge><Due at={order.due_at} /></span>
                    </a>
                  </li>
                ))}
              </ul>
            )
          }
        </Loaded>
      </div>
      {open ? <CrewDialog crew={open === 'new' ? undefined : open} units={units} onClose={() => setOpen(undefined)} /> : null}
    </>
  )
}
