import { BarChart, LineChart } from 'echarts/charts'
import { AriaComponent, DataZoomComponent, GridComponent, LegendComponent, MarkAreaComponent, MarkLineComponent, TooltipComponent } from 'echarts/components'
import { init, use, type EChartsCoreOption, type ECharts } from 'echarts/core'
import { SVGRenderer } from 'echarts/renderers'
import { useEffect, useRef } from 'react'
import { useLanguage } from '@/i18n'
import { useTheme } from '../theme'
import './rich.css'

use([BarChart, LineChart, GridComponent, TooltipComponent, LegendComponent, MarkLineComponent, MarkAreaComponent, DataZoomComponent, AriaComponent, SVGRenderer])

export interface ChartColours {
  ink: string
  quiet: string
  line: string
  surface: string
  brand: string
  warm: string
  /** Height of small words in px: it grows with the wall. */
  small: number
  token: (name: string) => string
}

function colours(): ChartColours {
  const style = getComputedStyle(document.documentElement)
  const token = (name: string) => style.getPropertyValue(`--${name}`).trim()
  return { ink: token('ink'), quiet: token('ink-2'), line: token('line'), surface: token('raised'), brand: token('brand'), warm: token('warm'), small: Math.round(parseFloat(getComputedStyle(document.documentElement).fontSize) * 0.8125), token }
}

/** A chart in the theme's colours. `option` is made from the colours, so that it follows the theme. `summary` says in words what the picture shows. */
export function Chart({ option, height = 260, summary }: { option: (c: ChartColours) => EChartsCoreOption; height?: number | string; summary: string }) {
  const holder = useRef<HTMLDivElement>(null)
  const chart = useRef<ECharts>(undefined)
  const theme = useTheme()
  const lng = useLanguage()
  useEffect(() => {
    if (!holder.current) return
    const made = init(holder.current, undefined, { renderer: 'svg' })
    chart.current = made
    const watch = new ResizeObserver(() => made.resize())
    watch.observe(holder.current)
    return () => {
      watch.disconnect()
      made.dispose()
      chart.current = undefined
    }
  }, [])
  useEffect(() => {
    const c = colours()
    const font = { fontFamily: 'Be Vietnam Pro', color: c.quiet, fontSize: c.small }
    chart.current?.setOption(
      {
        textStyle: font,
        animation: !matchMedia('(prefers-reduced-motion: reduce)').matches,
        animationDuration: 300,
        color: [c.brand, c.token('alluvium'), c.token('low'), c.warm, c.token('phase-waiting'), c.token('good')],
        grid: { left: 8, right: 12, top: 16, bottom: 8, containLabel: true },
        tooltip: { trigger: 'axis', backgroundColor: c.surface, borderColor: c.line, textStyle: { color: c.ink, fontFamily: 'Be Vietnam Pro' } },
        ...option(c),
      },
      { notMerge: true },
    )
  }, [option, theme, lng])
  return <div ref={holder} className="chart" style={{ height }} role="img" aria-label={summary} />
}
