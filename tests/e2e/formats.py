"""formats - one simulator as a provider of each wire format.

SPDX-License-Identifier: MIT
"""

from harness import PRICES, provider

BASES = {  # the codec, and what base_url has behind the host
    "openai": ("openai", "/v1"),
    "responses": ("openai_responses", "/v1"),
    "azure": ("azure", "/openai"),
    "anthropic": ("anthropic", "/v1"),
    "gemini": ("gemini", "/v1beta"),
    "ollama": ("ollama", ""),
}


def providers(sim, **more):
    """Six providers, one a codec, all of them the simulator `sim`: their names are the formats'."""
    return {
        name: provider(
            f"http://{sim.address}{base}", **{"codec": codec, "key": f"sk-{name}-secret", **more}
        )
        for name, (codec, base) in BASES.items()
    }


def models(capabilities=("tools", "vision", "json", "json_schema", "reasoning")):
    """What the catalogue is told of the simulated models."""
    tier, cost_in, cost_out = PRICES["mini"]
    facts = {"tier": tier, "input": cost_in, "output": cost_out}
    facts["capabilities"] = list(capabilities)
    return {f"{name}/mini": facts for name in BASES}
