// The component: what the host calls, made of ../handler.js.

import { component } from "./quickjs.js";
import definition from "../handler.js";

export const { handler, upgrade, fit } = component(definition);
