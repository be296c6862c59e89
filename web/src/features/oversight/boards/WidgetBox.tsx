/** One widget with its frame: title, the way to its page, its body; what may not be seen says so. */
import { ArrowUpRight, Lock } from 'lucide-react'
import { lazy, memo, Suspense } from 'react'
import type { Widget } from '@/api/boards'
import { useT } from '@/i18n'
import { cx, Fence, Loading } from '@/ui'
import { AirBody, ClockBody, FigureBody, GaugeBody, OnTimeBody } from './Figures'
import { AlarmsBody, IncidentsBody, MapBody, TableBody } from './Lists'
import { missing } from './model'
import { needs, pageOf, titleOf, useMay } from './shared'

const ChartBody = lazy(() => import('./ChartBody'))

function Body({ widget }: { widget: Widget }) {
  const t = useT()
  const lacks = missing(widget)
  if (lacks) return <p className="quiet">{t(`boards:missing.${lacks}`)}</p>
  switch (widget.kind) {
    case 'figure':
      return <FigureBody widget={widget} />
    case 'chart':
      return <Suspense fallback={<Loading rows={1} height="8rem" />}><ChartBody widget={widget} /></Suspense>
    case 'gauge':
      return <GaugeBody widget={widget} />
    case 'table':
      return <TableBody widget={widget} />
    case 'map':
      return <MapBody widget={widget} />
    case 'alarms':
      return <AlarmsBody widget={widget} />
    case 'incidents':
      return <IncidentsBody />
    case 'on-time':
      return <OnTimeBody />
    case 'air':
      return <AirBody widget={widget} />
    case 'clock':
      return <ClockBody />
    case 'text':
      return <p className="widget-text">{widget.set.text}</p>
    case 'heading':
      return null
  }
}

const SCROLLS: ReadonlySet<Widget['kind']> = new Set(['table', 'alarms', 'incidents', 'text'])

/** `still` draws it without anything to press: in the palette and while it is edited. */
export const WidgetBox = memo(function WidgetBox({ widget, still }: { widget: Widget; still?: boolean }) {
  const t = useT()
  const may = useMay(needs(widget))
  const title = titleOf(widget)
  const page = still ? undefined : pageOf(widget)
  if (widget.kind === 'heading') return <div className="widget-heading"><h2>{widget.title || t('boards:missing.title')}</h2></div>
  const scrolls = SCROLLS.has(widget.kind) && !still
  return (
    <section className={cx('widget', `widget-${widget.kind}`)} aria-label={title}>
      {widget.kind === 'clock' && !widget.title ? null : (
        <header>
          <h3 className="clip">{title}</h3>
          {page ? <a href={page} className="widget-open"><span className="visually-hidden">{t('boards:open_page', { title })}</span><ArrowUpRight size={18} aria-hidden /></a> : null}
        </header>
      )}
      <div className="widget-body" {...(scrolls ? { tabIndex: 0, role: 'region', 'aria-label': title } : {})}>
        <Fence>{may ? <Body widget={widget} /> : <p className="widget-locked"><Lock size={20} aria-hidden /> {t('boards:locked')}</p>}</Fence>
      </div>
    </section>
  )
})
