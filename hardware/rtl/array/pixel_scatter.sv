// Sorts the pixels of a row by column phase: collects s_w beats, then writes one word a phase, so that the array
// later reads every s_w-th pixel from neighbouring banks. As many words leave as beats come: no bandwidth is lost.
module pixel_scatter #(
    parameter int POX = 4,  // pixels of a beat and of a word
    parameter int DW = 8    // bits of a pixel
) (
    input  logic              clk,      // clock
    input  logic              rst,      // reset, synchronous
    input  logic [       2:0] s_w,      // stride along a row, 1 to 4
    input  logic [      15:0] word_px,  // input buffer words between phases
    input  logic              valid,    // a beat is offered
    output logic              ready,    // and taken
    input  logic [POX*DW-1:0] beat,     // its pixels
    input  logic              row_end,  // it is the last of its row
    input  logic [       7:0] bank,     // row bank of the row
    input  logic [      15:0] word,     // input buffer word of the row's first pixel
    output logic              we,       // write POX pixels
    output logic [       7:0] wr_bank,  // row bank
    output logic [      15:0] wr_word,  // word
    output logic [POX*DW-1:0] wr_data   // the pixels, POX of one phase
);
  localparam int MAX = 4;
  logic [MAX*POX*DW-1:0] gathered, filled, sorted, emitting;
  logic [2:0] beats, left;
  logic [15:0] column_group;
  logic complete, accept;

  assign complete = row_end || beats == s_w - 3'd1;
  assign ready = !complete || left <= 3'd1;
  assign accept = valid && ready;
  assign we = left != 0;
  assign wr_data = emitting[POX*DW-1:0];

  always_comb begin
    filled = gathered;
    for (int b = 0; b < MAX; b++) if (beats == 3'(b)) filled[b*POX*DW+:POX*DW] = beat;
    sorted = filled;
    for (int s = 2; s <= MAX; s++)
      if (s_w == 3'(s))
        for (int p = 0; p < MAX; p++)
          for (int j = 0; j < POX; j++)
            if (p < s) sorted[(p*POX+j)*DW+:DW] = filled[(j*s+p)*DW+:DW];
  end

  always_ff @(posedge clk) begin
    if (rst) begin
      beats <= '0;
      left <= '0;
      column_group <= '0;
    end else begin
      if (accept && complete) begin
        beats <= '0;
        left <= s_w;
        column_group <= row_end ? 16'd0 : column_group + 16'd1;
      end else begin
        if (accept) beats <= beats + 3'd1;
        if (left != 0) left <= left - 3'd1;
      end
    end
    if (accept) gathered <= filled;
    if (accept && complete) begin
      emitting <= sorted;
      wr_bank <= bank;
      wr_word <= word + column_group;
    end else begin
      emitting <= emitting >> POX * DW;
      wr_word <= wr_word + word_px;
    end
  end
endmodule
