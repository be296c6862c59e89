import type { Map as Engine } from 'maplibre-gl'
import type { ReactNode } from 'react'
import type { Mark } from './marks'

export type { Mark }

export interface MapPoint {
  id: string
  lon: number
  lat: number
  mark: Mark
  /** A short value drawn on the symbol (an air-quality index). */
  label?: string
  /** Whether the symbol is dark, so that the label must be white. */
  darkLabel?: boolean
  /** A second, smaller symbol at the corner: what is wrong with the thing. */
  badge?: Mark
}

export interface CityMapProps {
  /** What the map shows, for screen readers. */
  label: string
  /** Code of the home province: outlined, and marked in the inset. */
  home?: string | undefined
  /** Communes with properties `code` and `name`; their bounds are the first view. */
  communes?: GeoJSON.FeatureCollection | undefined
  points?: readonly MapPoint[] | undefined
  /** Id of the chosen point. */
  chosen?: string | undefined
  /** Code of the chosen commune. */
  chosenArea?: string | undefined
  /** Colours of communes by code; a number from 0 to 1 is a strength of the brand's colour. */
  areaFill?: Record<string, string | number> | undefined
  /** Areas drawn flat below the points (what cameras see). */
  fans?: GeoJSON.FeatureCollection | undefined
  /** Points with a count `n`, drawn as heat. */
  heat?: GeoJSON.FeatureCollection | undefined
  /** The line of one way: longitude, latitude. */
  way?: readonly (readonly [number, number])[] | undefined
  /** Roads with `id`, `level` (`free`, `slow`, `congested`, `jam`, `unknown`), coloured and widened by it. */
  roads?: GeoJSON.FeatureCollection | undefined
  /** Id of the chosen road. */
  chosenRoad?: string | undefined
  cluster?: boolean
  /** First view; the communes' bounds when absent. */
  view?: 'nation' | { lon: number; lat: number; zoom: number } | undefined
  /** Moves the map each time a new object is given. */
  flyTo?: { lon: number; lat: number; zoom?: number } | { bounds: [[number, number], [number, number]] } | undefined
  onPoint?: ((id: string) => void) | undefined
  onArea?: ((code: string) => void) | undefined
  onRoad?: ((id: string) => void) | undefined
  /** The view came to rest. */
  onMove?: ((centre: { lon: number; lat: number }, zoom: number) => void) | undefined
  /** The engine, ready to take further layers; none when it goes (theme, language, leaving). */
  onEngine?: ((engine: Engine | undefined) => void) | undefined
  /** Larger symbols and names, for a wall. */
  large?: boolean
  /** Without the inset (small maps). */
  bare?: boolean
  children?: ReactNode
}
