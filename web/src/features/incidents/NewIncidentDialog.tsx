import { useMemo, useState, type FormEvent } from 'react'
import { useCommunes, useMe, useOpenIncident, useOpsCatalogue, type IncidentView, type NewIncident, type Severity } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { boundsOf, CityMap } from '@/map'
import { Button, Check, Dialog, FailedNote, Field, Input, Note, Select, TextArea } from '@/ui'

const SEVERITIES: readonly Severity[] = ['critical', 'high', 'medium', 'low']

/** Opens an incident by hand: from an alarm, a case, a call or from nothing. */
export function NewIncidentDialog({ drill, from, onClose, onOpened }: { drill: boolean; from: { alarm?: string; case?: string } | undefined; onClose: () => void; onOpened: (view: IncidentView) => void }) {
  const t = useT()
  const lng = useLanguage()
  const me = useMe()
  const communes = useCommunes(me.data?.home.code)
  const catalogue = useOpsCatalogue()
  const open = useOpenIncident()
  const [key] = useState(() => crypto.randomUUID())
  const [draft, setDraft] = useState<NewIncident>({ kind: 'fire', drill, ...from })
  const set = (part: Partial<NewIncident>) => setDraft(before => ({ ...before, ...part }))
  const names = (communes.data?.features ?? []).map(f => ({ code: String(f.properties?.['code'] ?? ''), name: String(f.properties?.['name'] ?? '') })).filter(c => c.code && c.name).sort((a, b) => a.name.localeCompare(b.name, 'vi'))
  const submit = (event: FormEvent) => {
    event.preventDefault()
    const { severity, title, text, area, address, ...rest } = draft
    open.mutate({ key, ...rest, ...(severity ? { severity } : {}), ...(title?.trim() ? { title } : {}), ...(text?.trim() ? { text } : {}), ...(area ? { area } : {}), ...(address?.trim() ? { address } : {}) }, { onSuccess: onOpened })
  }
  const point = draft.lon !== undefined && draft.lat !== undefined ? [{ id: 'here', lon: draft.lon, lat: draft.lat, mark: 'critical' as const }] : []
  // The province at once, then what was chosen.
  const flyTo = useMemo(() => {
    if (draft.lon !== undefined && draft.lat !== undefined) return { lon: draft.lon, lat: draft.lat, zoom: 13 }
    const all = communes.data?.features ?? []
    const chosen = all.filter(f => f.properties?.['code'] === draft.area)
    const shown = chosen.length > 0 ? chosen : all
    return shown.length > 0 ? { bounds: boundsOf({ type: 'FeatureCollection', features: shown }) } : undefined
  }, [communes.data, draft.area, draft.lon, draft.lat])
  return (
    <Dialog open onClose={onClose} wide title={t(draft.drill ? 'incidents:new_drill' : 'incidents:new')}>
      <form className="stack" onSubmit={submit}>
        {from ? <Note>{t(from.alarm ? 'incidents:from_alarm' : 'incidents:from_case')}</Note> : null}
        <div className="two">
          <Field label={t('incidents:kind')}>{ids => <Select {...ids} required value={draft.kind} onChange={e => set({ kind: e.target.value })}>{(catalogue.data?.kinds ?? []).map(k => <option key={k.code} value={k.code}>{named(lng, k.name, k.name_en)}</option>)}</Select>}</Field>
          <Field label={t('incidents:severity')}>{ids => <Select {...ids} value={draft.severity ?? ''} onChange={e => set({ severity: (e.target.value || undefined) as Severity })}><option value="">{t('incidents:usual')}</option>{SEVERITIES.map(s => <option key={s} value={s}>{t(`severity.${s}`)}</option>)}</Select>}</Field>
        </div>
        <Field label={t('incidents:what')}>{ids => <Input {...ids} maxLength={200} value={draft.title ?? ''} onChange={e => set({ title: e.target.value })} required={!from} />}</Field>
        <Field label={t('incidents:known')}>{ids => <TextArea {...ids} rows={3} maxLength={4000} value={draft.text ?? ''} onChange={e => set({ text: e.target.value })} />}</Field>
        {from ? null : (
          <>
            <div className="two">
              <Field label={t('incidents:area')}>{ids => <Select {...ids} value={draft.area ?? ''} onChange={e => set({ area: e.target.value })}><option value="">–</option>{names.map(c => <option key={c.code} value={c.code}>{c.name}</option>)}</Select>}</Field>
              <Field label={t('incidents:address')}>{ids => <Input {...ids} maxLength={300} value={draft.address ?? ''} onChange={e => set({ address: e.target.value })} />}</Field>
            </div>
            <div className="incident-map"><CityMap label={t('incidents:point')} home={me.data?.home.code} communes={communes.data} bare cluster={false} points={point} chosenArea={draft.area} flyTo={flyTo} /></div>
            <div className="two">
              <Field label={t('incidents:lon')}>{ids => <Input {...ids} type="number" step="any" min={-180} max={180} value={draft.lon ?? ''} onChange={e => set({ lon: e.target.value === '' ? undefined : Number(e.target.value) } as Partial<NewIncident>)} />}</Field>
              <Field label={t('incidents:lat')}>{ids => <Input {...ids} type="number" step="any" min={-90} max={90} value={draft.lat ?? ''} onChange={e => set({ lat: e.target.value === '' ? undefined : Number(e.target.value) } as Partial<NewIncident>)} />}</Field>
            </div>
            <Check checked={draft.call ?? false} onChange={e => set({ call: e.target.checked })}>{t('incidents:by_call')}</Check>
          </>
        )}
        <Check checked={draft.drill ?? false} onChange={e => set({ drill: e.target.checked })}>{t('incidents:is_drill')}</Check>
        <FailedNote error={open.error} />
        <div className="dialog-foot"><Button look="secondary" onClick={onClose}>{t('ui.cancel')}</Button><Button type="submit" busy={open.isPending}>{t('incidents:open_it')}</Button></div>
      </form>
    </Dialog>
  )
}
