// Names for the responses of the API that the pages use, and shapes that its OpenAPI document leaves open.

import type { components, paths } from './openapi';

/** JSON of a response. */
type Json<Path extends keyof paths, Method extends keyof paths[Path] = 'get' & keyof paths[Path]> = {
  [Status in 200 | 201 | 202]: paths[Path][Method] extends {
    responses: { [key in Status]: { content: { 'application/json': infer Body } } };
  }
    ? Body
    : never;
}[200 | 201 | 202];

export type Item = Json<'/v1/items/{id}'>;
export type ItemList = Json<'/v1/items'>;
export type SearchResponse = Json<'/v1/search/text', 'post'>;
export type Hit = SearchResponse['results'][number];
export type ParsedQuery = SearchResponse['query'];
export type PredictedLabel = ParsedQuery['predicted_labels'][number];
export type Label = Json<'/v1/labels'>['labels'][number];
export type Info = Json<'/v1/info'>;
export type TaskList = Json<'/v1/tasks'>;
export type Task = TaskList['tasks'][number];
export type Projection = Json<'/v1/map'>;
export type Point = Projection['points'][number];
export type DataQuality = Json<'/v1/admin/health'>;
export type Review = Json<'/v1/admin/review'>;
export type ReviewEntry = Review['entries'][number];
export type ApiKey = Json<'/v1/admin/keys'>['keys'][number];
export type NewApiKey = Json<'/v1/admin/keys', 'post'>;
export type Problem = components['responses']['Problem']['content']['application/problem+json'];

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

export type Model = Omit<Json<'/v1/models'>['models'][number], 'report' | 'gate'> & {
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
  loss: { total: number } & Record<string, number>;
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
