// Names for the schemas of the OpenAPI document that the pages use, and shapes that the document leaves open.

import type { components } from './openapi';

type Schemas = components['schemas'];

export type Item = Schemas['ItemView'];
export type ItemList = Schemas['ItemList'];
export type Hit = Schemas['ResultView'];
export type SearchResponse = Schemas['AnswerView'];
export type ParsedQuery = Schemas['QueryView'];
export type PredictedLabel = Schemas['PredictedLabel'];
export type Label = Schemas['LabelView'];
export type Info = Schemas['InfoView'];
export type Task = Schemas['TaskView'];
export type TaskList = Schemas['TaskList'];
export type Projection = Schemas['MapView'];
export type Point = Schemas['PointView'];
export type DataQuality = Schemas['HealthView'];
export type Review = Schemas['ReviewView'];
export type ReviewEntry = Schemas['EntryView'];
export type ApiKey = Schemas['KeyView'];
export type NewApiKey = Schemas['NewKey'];
export type ModelList = Schemas['ModelList'];
export type ApiFilter = Schemas['FilterSchema'];
export type Problem = Schemas['Problem'];

/** Outcome of the check that a model passes before it serves. */
export interface PromotionDecision {
  objections: string[];
  promoted: boolean;
}

interface Recall {
  at_1: number;
  at_5: number;
  at_10: number;
}

/** What an evaluation measured on the test split. Models trained by older versions lack some of it. */
export interface EvaluationReport {
  map_image_to_text: number;
  map_text_to_image: number;
  interval_image_to_text?: [number, number];
  interval_text_to_image?: [number, number];
  recall_image_to_text?: Recall;
  recall_text_to_image?: Recall;
  label_accuracy_image?: number;
  label_accuracy_text?: number;
  calibration_error_image_to_text?: number;
  calibration_error_text_to_image?: number;
  per_class?: { label: string; image_to_text: number; text_to_image: number }[];
}

export type Model = Omit<Schemas['ModelView'], 'report' | 'gate'> & {
  report: EvaluationReport;
  gate: PromotionDecision | null;
};

/** Curves of an evaluation. Confusion counts are [true class, predicted class, images], classes by their index. */
export interface Curves {
  classes: string[];
  confusion: [number, number, number][];
  precision_at_recall: { image_to_text: number[]; text_to_image: number[] };
  reliability: { pairs: string; bins: { count: number; promised: number; observed: number }[] }[];
}

/** Measurements of a training after an epoch: data of the event `metric`. */
export interface EpochMetrics {
  part: 'class' | 'pair';
  epoch: number;
  loss: { total: number; j1?: number; j2?: number; j3?: number };
  validation_map?: { image_to_text: number; text_to_image: number } | null;
  validation_mean_recall?: number | null;
}

declare global {
  interface DocumentEventMap {
    /** An API key was stored or forgotten. */
    'key-changed': CustomEvent<null>;
    'task-started': CustomEvent<Task>;
    'task-ended': CustomEvent<Task>;
  }
}
