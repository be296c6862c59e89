import { useState, type FormEvent } from 'react'
import { useDossierCatalogue, useImportDossiers } from '@/api'
import { hasText, useT } from '@/i18n'
import { Button, Dialog, FailedNote, Field, Input, Note, Select } from '@/ui'

/** A table of dossiers from a one-stop system; what was left out is told line by line. */
export function ImportDialog({ onClose }: { onClose: () => void }) {
  const t = useT()
  const catalogue = useDossierCatalogue()
  const send = useImportDossiers()
  const [file, setFile] = useState<File>()
  const [chosen, setChosen] = useState('')
  const source = chosen || catalogue.data?.sources[0]?.id || ''
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (file && source) send.mutate({ file, source })
  }
  const done = send.data
  return (
    <Dialog open wide onClose={onClose} title={t('dossiers:import.title')}>
      <p className="quiet">{t('dossiers:import.lead')}</p>
      <form className="stack" onSubmit={submit}>
        <Field label={t('dossiers:import.source')}>{ids => <Select {...ids} value={source} onChange={e => setChosen(e.target.value)}>{catalogue.data?.sources.map(s => <option key={s.id} value={s.id}>{s.name}</option>)}</Select>}</Field>
        <Field label={t('dossiers:import.file')} hint={t('dossiers:import.hint')}>{ids => <Input {...ids} type="file" required accept=".csv" onChange={e => setFile(e.target.files?.[0])} />}</Field>
        <FailedNote error={send.error} />
        <div className="dialog-foot"><Button look="quiet" onClick={onClose}>{t('ui.close')}</Button><Button type="submit" busy={send.isPending} disabled={!file || !source}>{t('dossiers:import.send')}</Button></div>
      </form>
      {done ? (
        <Note tone={done.rejected ? 'high' : 'good'}>
          <p>{t('dossiers:import.done', { read: done.read, added: done.added, changed: done.changed, unchanged: done.unchanged + done.older, rejected: done.rejected })}</p>
          {done.rejects.length ? <ul>{done.rejects.slice(0, 20).map(r => <li key={`${r.line} ${r.code}`}>{t('dossiers:import.line', { line: r.line })} {r.dossier}: {hasText(`errors.${r.code}`) ? t(`errors.${r.code}`) : r.detail} <span className="code">{r.code}</span></li>)}</ul> : null}
        </Note>
      ) : null}
    </Dialog>
  )
}
