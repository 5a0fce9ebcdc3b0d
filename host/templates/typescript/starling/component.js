// The component: what the host calls, made of ../handler.ts, which was bundled into ../target.

import { component } from "./starling.js";
import definition from "../target/handler.js";

export const { handler, upgrade, fit } = component(definition);
