import { useState, type FormEvent } from 'react'
import { useImportPremises } from '@/api'
import { hasText, useT } from '@/i18n'
import { Button, Dialog, FailedNote, Field, Input, Note } from '@/ui'

/** A table of premises with their panels; what was left out is told line by line. */
export function ImportDialog({ onClose }: { onClose: () => void }) {
  const t = useT()
  const send = useImportPremises()
  const [file, setFile] = useState<File>()
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (file) send.mutate(file)
  }
  const done = send.data
  return (
    <Dialog open wide onClose={onClose} title={t('panels:import.title')}>
      <p className="quiet">{t('panels:import.lead')}</p>
      <p className="code break">code,name,address,kind,commune,unit,lon,lat,hazards,water,approach,account,supervision,contact,phone,role,keys</p>
      <form className="stack" onSubmit={submit}>
        <Field label={t('panels:import.file')}>{ids => <Input {...ids} type="file" required accept=".csv" onChange={e => setFile(e.target.files?.[0])} />}</Field>
        <FailedNote error={send.error} />
        <div className="dialog-foot"><Button look="quiet" onClick={onClose}>{t('ui.close')}</Button><Button type="submit" busy={send.isPending} disabled={!file}>{t('panels:import.send')}</Button></div>
      </form>
      {done ? (
        <Note tone={done.rejected ? 'high' : 'good'}>
          <p>{t('panels:import.done', { read: done.read, added: done.added, changed: done.changed, accounts: done.accounts, rejected: done.rejected })}</p>
          {done.rejects.length ? <ul>{done.rejects.map(r => <li key={`${r.line} ${r.code}`}>{t('panels:import.line', { line: r.line })} {r.premises}: {hasText(`errors.${r.code}`) ? t(`errors.${r.code}`) : r.detail} <span className="code">{r.code}</span></li>)}</ul> : null}
        </Note>
      ) : null}
    </Dialog>
  )
}
