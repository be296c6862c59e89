import { useState, type FormEvent } from 'react'
import { useImport, useProfiles } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Button, Dialog, FailedNote, Field, Input, Note, Select } from '@/ui'
import { faultText } from './DeviceDetail'

const ABOUT = ['one', 'column', 'ld'] as const

/** A file of readings, imported at once; what was left out is told line by line. */
export function ImportFile({ onClose }: { onClose: () => void }) {
  const t = useT()
  const lng = useLanguage()
  const profiles = useProfiles()
  const send = useImport()
  const [file, setFile] = useState<File>()
  const [about, setAbout] = useState<(typeof ABOUT)[number]>('one')
  const [device, setDevice] = useState('')
  const [column, setColumn] = useState('device')
  const [chosen, setChosen] = useState('')
  const profile = chosen || profiles.data?.[0]?.name || ''
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (!file) return
    send.mutate({ file, ...(about === 'one' ? { device: device.trim() } : about === 'column' ? { profile, device_column: column.trim() } : {}) })
  }
  return (
    <Dialog open wide onClose={onClose} title={t('admin:devices.import_title')}>
      <p className="quiet">{t('admin:devices.import_lead')}</p>
      <form className="stack" onSubmit={submit}>
        <Field label={t('admin:devices.import_file')}>{ids => <Input {...ids} type="file" required accept=".csv,.tsv,.json,.jsonl,.ndjson" onChange={e => setFile(e.target.files?.[0])} />}</Field>
        <Field label={t('admin:devices.import_about')}>
          {ids => <Select {...ids} value={about} onChange={e => setAbout(ABOUT.find(a => a === e.target.value) ?? 'one')}>{ABOUT.map(a => <option key={a} value={a}>{t(`admin:devices.import_${a}`)}</option>)}</Select>}
        </Field>
        {about === 'one' ? <Field label={t('admin:devices.id')}>{ids => <Input {...ids} required maxLength={64} value={device} onChange={e => setDevice(e.target.value)} />}</Field> : null}
        {about === 'column' ? (
          <div className="two-up">
            <Field label={t('admin:devices.profile')}>{ids => <Select {...ids} value={profile} onChange={e => setChosen(e.target.value)}>{profiles.data?.map(p => <option key={p.name} value={p.name}>{named(lng, p.title, p.title_en)}</option>)}</Select>}</Field>
            <Field label={t('admin:devices.import_column_name')}>{ids => <Input {...ids} required maxLength={100} value={column} onChange={e => setColumn(e.target.value)} />}</Field>
          </div>
        ) : null}
        <FailedNote error={send.error} />
        <div className="dialog-foot"><Button look="quiet" onClick={onClose}>{t('ui.close')}</Button><Button type="submit" busy={send.isPending} disabled={!file || (about === 'one' && !device.trim())}>{t('admin:devices.import')}</Button></div>
      </form>
      {send.data ? (
        <Note tone={send.data.rejected ? 'high' : 'good'}>
          <p>{t('admin:devices.import_done', { records: send.data.records, stored: send.data.stored, before: send.data.before, rejected: send.data.rejected })}</p>
          {send.data.rejects.length ? <ul>{send.data.rejects.slice(0, 20).map((r, i) => <li key={i}>{t('admin:devices.import_line', { line: r.line })}: {faultText(t, r.code)} <span className="code break">{r.record.slice(0, 120)}</span></li>)}</ul> : null}
        </Note>
      ) : null}
    </Dialog>
  )
}
