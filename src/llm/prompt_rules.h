/*
 * llm/prompt_rules.h: the rules that every prompt begins with.
 */
#pragma once

typedef struct KamPromptRule
{
	const char *name;
	const char *text;			/* may have several lines */
} KamPromptRule;

extern const char kam_prompt_opening[];
extern const KamPromptRule kam_prompt_rules[];
extern const int kam_prompt_rule_count;
