import { useLayoutEffect } from 'react'
import { useLive } from '@/api'
import type { Widget } from '@/api/boards'
import { useCalmRefresh } from '@/api/useCalm'
import { useT } from '@/i18n'
import { cx } from '@/ui'
import { cellStyle, inOrder, rowsOf } from './model'
import { OnWall } from './shared'
import { WidgetBox } from './WidgetBox'
import './boards.css'

/** Live events keep the board's data true; however fast they come, each list is read again twice a second at most. */
export function useBoardLive(): void {
  const refresh = useCalmRefresh()
  useLive(['alarm-raised', 'alarm-acknowledged', 'alarm-cleared', 'alarm-closed', 'alarm-changed'], () => refresh('alarms', 'vitals'))
  useLive(['case-opened', 'case-moved', 'case-due', 'case-answered'], () => refresh('desk', 'vitals'))
  useLive(['incident-opened', 'incident-changed', 'incident-escalated'], () => refresh('incidents'))
  const slow = useCalmRefresh(5_000)
  useLive(['entity-changed', 'observations-accepted'], () => slow('thing', 'things', 'things-geo', 'series', 'devices'))
  useLive(['value-settled'], () => slow('indicator'))
  useLive(['hello', 'reset'], () => refresh('alarms', 'vitals', 'desk', 'incidents', 'thing', 'things', 'things-geo', 'series', 'indicator'))
}

/** A board to look at. `fills` fits all rows into the height there is, for a wall. */
export function BoardGrid({ widgets, fills }: { widgets: readonly Widget[]; fills?: boolean }) {
  const t = useT()
  useBoardLive()
  const rows = Math.max(1, rowsOf(widgets))
  return (
    <OnWall value={fills === true}>
      <div className={cx('board-holder', fills && 'fills')}>
        <div className="board" role="list" aria-label={t('boards:widgets')} style={fills ? { gridTemplateRows: `repeat(${rows}, minmax(0, 1fr))` } : undefined}>
          {inOrder(widgets).map(widget => (
            <div key={widget.id} role="listitem" className={cx('board-cell', `cell-${widget.kind}`)} style={cellStyle(widget)}>
              <WidgetBox widget={widget} />
            </div>
          ))}
        </div>
      </div>
    </OnWall>
  )
}

/** Larger type and no rail; the class is on the root so that rem grows with the wall. */
export function useWallType(on: boolean): void {
  // Before anything is drawn: charts take their type from the root.
  useLayoutEffect(() => {
    document.documentElement.classList.toggle('wall', on)
    return () => document.documentElement.classList.remove('wall')
  }, [on])
}
