import type { AlarmThen } from '@/api'
import type { CityMapProps } from '../types'

export interface LiveMapProps extends Pick<CityMapProps, 'label' | 'home' | 'communes' | 'flyTo' | 'chosen' | 'large' | 'points' | 'onPoint' | 'cluster' | 'children'> {
  /** A thing was chosen. */
  onThing: (id: string) => void
  /** An alarm was chosen (among those of the past, or one whose thing is in no layer). */
  onAlarm?: ((alarm: AlarmThen) => void) | undefined
  /** Only these layers; all otherwise. */
  only?: readonly string[] | undefined
  /** Without live layers: other points have the map (a list of reports). */
  quiet?: boolean
  /** Without time, drawing and search (small maps). */
  bare?: boolean
  /** Alarms are shown on things. */
  alarms?: boolean
}
