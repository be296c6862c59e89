import { Plus, Trash2 } from 'lucide-react'
import { useEffect, useRef, useState, type FormEvent } from 'react'
import { useAddPlan, useDropPlan, usePanelPremisesOne, useReadPrivate, useSavePremises, type PanelContact, type PanelPremises, type PanelPremisesInput, type PanelPrivate, type PanelZone } from '@/api'
import { useT } from '@/i18n'
import { Button, Check, Dialog, FailedNote, Field, Input, Loaded, TextArea, toast } from '@/ui'

const EMPTY: PanelPrivate = { contacts: [], keys: '' }

function Plans({ premises }: { premises: PanelPremises }) {
  const t = useT()
  const add = useAddPlan()
  const drop = useDropPlan()
  return (
    <section className="stack-s">
      <h3>{t('panels:file.plans')}</h3>
      <ul className="panel-list">{premises.plans.map(p => <li key={p.sha256}><span className="grow">{p.name}</span><Button look="quiet" size="small" iconOnly icon={<Trash2 size={18} aria-hidden />} busy={drop.isPending} onClick={() => drop.mutate({ id: premises.id, sha: p.sha256 })}>{t('panels:file.drop_plan', { name: p.name })}</Button></li>)}</ul>
      <Field label={t('panels:file.add_plan')} hint={t('panels:file.plan_hint')}>{ids => <Input {...ids} type="file" accept="image/png,image/jpeg,application/pdf" disabled={add.isPending} onChange={e => { const file = e.target.files?.[0]; if (file) add.mutate({ id: premises.id, file }) }} />}</Field>
      <FailedNote error={add.error ?? drop.error} />
    </section>
  )
}

function Contacts({ value, onChange }: { value: PanelPrivate; onChange: (value: PanelPrivate) => void }) {
  const t = useT()
  const set = (n: number, change: Partial<PanelContact>) => onChange({ ...value, contacts: value.contacts.map((c, i) => (i === n ? { ...c, ...change } : c)) })
  return (
    <section className="stack-s">
      <h3>{t('panels:file.contacts')}</h3>
      <ul className="panel-list panel-lines">
        {value.contacts.map((c, n) => (
          <li key={n}>
            <Field label={t('panels:file.contact_name')}>{ids => <Input {...ids} required maxLength={120} value={c.name} onChange={e => set(n, { name: e.target.value })} />}</Field>
            <Field label={t('panels:file.role')}>{ids => <Input {...ids} maxLength={120} value={c.role} onChange={e => set(n, { role: e.target.value })} />}</Field>
            <Field label={t('panels:file.phone')}>{ids => <Input {...ids} type="tel" maxLength={40} value={c.phone} onChange={e => set(n, { phone: e.target.value })} />}</Field>
            <Check checked={c.key} onChange={e => set(n, { key: e.target.checked })}>{t('panels:file.holds_key')}</Check>
            <Button look="quiet" iconOnly icon={<Trash2 size={18} aria-hidden />} onClick={() => onChange({ ...value, contacts: value.contacts.filter((_, i) => i !== n) })}>{t('panels:file.drop_contact')}</Button>
          </li>
        ))}
      </ul>
      <div className="row"><Button look="secondary" size="small" icon={<Plus size={16} aria-hidden />} onClick={() => onChange({ ...value, contacts: [...value.contacts, { name: '', role: '', phone: '', key: false }] })}>{t('panels:file.add_contact')}</Button></div>
      <Field label={t('panels:file.keys')}>{ids => <TextArea {...ids} rows={2} maxLength={1000} value={value.keys} onChange={e => onChange({ ...value, keys: e.target.value })} />}</Field>
    </section>
  )
}

/** Lines of a text field: `number; name; place`. */
const zonesOf = (words: string): PanelZone[] =>
  words.split('\n').map(line => line.split(';').map(part => part.trim())).filter(parts => parts[0]).map(([zone = '', name = '', place = '']) => ({ zone, name: name || zone, place }))

function Form({ old, secret, onClose }: { old?: PanelPremises; secret: PanelPrivate; onClose: () => void }) {
  const t = useT()
  const save = useSavePremises()
  const [form, setForm] = useState({
    code: old?.code ?? '',
    name: old?.name ?? '',
    kind: old?.kind ?? '',
    address: old?.address ?? '',
    lon: old?.location ? String(old.location.lon) : '',
    lat: old?.location ? String(old.location.lat) : '',
    hazards: old?.hazards ?? '',
    water: old?.water ?? '',
    approach: old?.approach ?? '',
    zones: old?.zones.map(z => [z.zone, z.name, z.place].filter(Boolean).join('; ')).join('\n') ?? '',
  })
  const [contacts, setContacts] = useState(secret)
  const set = (key: keyof typeof form) => (e: { target: { value: string } }) => setForm(before => ({ ...before, [key]: e.target.value }))
  const send = (event: FormEvent) => {
    event.preventDefault()
    const [lon, lat] = [Number(form.lon.replace(',', '.')), Number(form.lat.replace(',', '.'))]
    const placed = form.lon.trim() !== '' && form.lat.trim() !== '' && Number.isFinite(lon) && Number.isFinite(lat)
    const input: PanelPremisesInput = {
      code: form.code.trim(),
      name: form.name.trim(),
      kind: form.kind.trim(),
      address: form.address.trim(),
      hazards: form.hazards,
      water: form.water,
      approach: form.approach,
      zones: zonesOf(form.zones),
      private: contacts,
      ...(placed ? { location: { lon, lat } } : {}),
      ...(old ? { version: old.version, ...(placed ? {} : old.commune ? { commune: old.commune.id } : {}), ...(old.unit ? { unit: old.unit.id } : {}) } : {}),
    }
    save.mutate({ ...(old ? { id: old.id } : {}), input }, { onSuccess: () => { toast(t('panels:saved')); onClose() } })
  }
  return (
    <form className="stack" onSubmit={send}>
      <div className="panel-grid">
        <Field label={t('panels:file.code')}>{ids => <Input {...ids} required maxLength={40} value={form.code} onChange={set('code')} />}</Field>
        <Field label={t('panels:file.name')}>{ids => <Input {...ids} required maxLength={200} value={form.name} onChange={set('name')} />}</Field>
        <Field label={t('panels:file.kind')}>{ids => <Input {...ids} maxLength={80} value={form.kind} onChange={set('kind')} />}</Field>
      </div>
      <Field label={t('panels:file.address')}>{ids => <Input {...ids} required maxLength={300} value={form.address} onChange={set('address')} />}</Field>
      <div className="panel-grid">
        <Field label={t('panels:file.lon')}>{ids => <Input {...ids} inputMode="decimal" maxLength={20} value={form.lon} onChange={set('lon')} />}</Field>
        <Field label={t('panels:file.lat')}>{ids => <Input {...ids} inputMode="decimal" maxLength={20} value={form.lat} onChange={set('lat')} />}</Field>
      </div>
      <Field label={t('panels:file.hazards')}>{ids => <TextArea {...ids} rows={3} maxLength={4000} value={form.hazards} onChange={set('hazards')} />}</Field>
      <Field label={t('panels:file.approach')}>{ids => <TextArea {...ids} rows={2} maxLength={2000} value={form.approach} onChange={set('approach')} />}</Field>
      <Field label={t('panels:file.water')}>{ids => <TextArea {...ids} rows={2} maxLength={1000} value={form.water} onChange={set('water')} />}</Field>
      <Field label={t('panels:file.zones_edit')} hint={t('panels:file.zones_hint')}>{ids => <TextArea {...ids} rows={5} value={form.zones} onChange={set('zones')} />}</Field>
      <Contacts value={contacts} onChange={setContacts} />
      <FailedNote error={save.error} />
      <div className="dialog-foot"><Button look="quiet" onClick={onClose}>{t('ui.cancel')}</Button><Button type="submit" busy={save.isPending}>{t('ui.save')}</Button></div>
    </form>
  )
}

function Change({ id, onClose }: { id: string; onClose: () => void }) {
  const premises = usePanelPremisesOne(id)
  const secret = useReadPrivate()
  // Once for the dialog: each reading is on record.
  const asked = useRef(false)
  const read = secret.mutate
  useEffect(() => {
    if (!asked.current) read(id)
    asked.current = true
  }, [id, read])
  return (
    <>
      <FailedNote error={secret.error} />
      <Loaded of={premises}>{p => (secret.data ? <div className="stack"><Form key={p.version} old={p} secret={secret.data} onClose={onClose} /><Plans premises={p} /></div> : null)}</Loaded>
    </>
  )
}

/** The premises file as a form. */
export function PremisesDialog({ id, onClose }: { id?: string; onClose: () => void }) {
  const t = useT()
  return (
    <Dialog open wide onClose={onClose} title={id ? t('panels:file.change') : t('panels:file.add')}>
      {id ? <Change id={id} onClose={onClose} /> : <Form secret={EMPTY} onClose={onClose} />}
    </Dialog>
  )
}
