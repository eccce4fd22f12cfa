/** Grafana's own types of what stands in a dashboard's file, so that a misspelt option is an error here: Grafana passes over it. */

import type * as grafana from '@grafana/schema';
import type * as heatmap from '@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen.js';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen.js';
import type * as timeline from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen.js';
import type * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen.js';
import type * as timeseries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen.js';

/** As a file has it: the values of enums instead of their names. */
type Written<T> = 0 extends 1 & T
  ? unknown
  : T extends string
    ? `${T}`
    : T extends number | boolean
      ? T extends number
        ? number
        : T
      : T extends (infer Item)[]
        ? Written<Item>[]
        : T extends object
          ? { [Key in keyof T]: Written<T[Key]> }
          : T;

/** By type of panel. */
export interface Options {
  timeseries: Written<timeseries.Options>;
  stat: Written<stat.Options>;
  heatmap: Written<heatmap.Options>;
  'state-timeline': Written<timeline.Options>;
  table: Written<table.Options>;
}

interface Custom {
  timeseries: Written<timeseries.FieldConfig>;
  stat: never;
  heatmap: Written<heatmap.FieldConfig>;
  'state-timeline': Written<timeline.FieldConfig>;
  table: Written<grafana.TableFieldOptions>;
}

/** The settings of a panel's fields. */
export type Defaults<Type extends keyof Options = never> = Written<Omit<grafana.FieldConfig, 'custom'>> & {
  custom?: Custom[Type];
};

export type FieldConfig = Written<Omit<grafana.FieldConfigSource, 'defaults'>> & { defaults: Defaults<keyof Options> };

export type Step = Written<grafana.Threshold>;

export type Transformation = Written<grafana.DataTransformerConfig>;

export type Row = Omit<Written<grafana.RowPanel>, 'panels'>;

/** The types leave out what a variable's editor shows. */
export type Variable = Written<grafana.VariableModel> & { definition?: string };

/** What the data source is asked, and makes of the answer, is its own affair. */
export type Annotation = Omit<Written<grafana.AnnotationQuery>, 'target'> & {
  target: object;
  titleFormat: string;
  tagKeys: string;
};

export type Dashboard = Omit<Written<grafana.Dashboard>, 'panels' | 'templating' | 'annotations'>;
