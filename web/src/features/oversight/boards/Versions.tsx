import { useBoardVersions, type BoardVersion } from '@/api/boards'
import { useT } from '@/i18n'
import { Button, format, Loaded } from '@/ui'

/** What the board was: taking one puts it into the editor as a step that can be taken back. */
export function Versions({ id, now, onTake }: { id: string; now: number; onTake: (version: BoardVersion) => void }) {
  const t = useT()
  const list = useBoardVersions(id, true)
  return (
    <Loaded of={list}>
      {page => (
        <ul className="commands">
          {page.items.map(one => (
            <li key={one.version} className="command row">
              <span className="grow"><b>{t('boards:versions.n', { n: one.version })}</b> · {one.name}<br /><span className="small quiet">{format.dateTime(one.at)} · {t('boards:size', { count: one.widgets.length, n: one.widgets.length })}</span></span>
              {one.version === now ? <span className="small quiet">{t('boards:versions.now')}</span> : <Button look="secondary" size="small" onClick={() => onTake(one)}>{t('boards:versions.take')}</Button>}
            </li>
          ))}
        </ul>
      )}
    </Loaded>
  )
}
