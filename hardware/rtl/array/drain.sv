// Where the rows that leave the array go: one output buffer row a cycle, for as many rows as the tile still has.
// The write signals are delayed by the two cycles of the requantisers.
module drain #(
    parameter int POY = 4  // output rows of a pass
) (
    input  logic        clk,        // clock
    input  logic        rst,        // reset, synchronous
    input  logic        capture,    // a pass enters the leaving registers at the end of this cycle
    input  logic        final_pass, // with `capture`: the tile's last pass
    input  logic [15:0] out_word,   // with `capture`: output buffer word of its first row
    input  logic [15:0] rows,       // with `capture`: rows the tile still has
    input  logic [15:0] n_oxg,      // output buffer words between rows
    output logic        leaving,    // rows are leaving the array
    output logic        we,         // write the requantised row
    output logic [15:0] wr_word,    // output buffer word
    output logic        done        // the tile's last row is written in this cycle
);
  logic [15:0] word, rows_left;
  logic [7:0] age;
  logic is_final;
  logic [15:0] word_q;
  logic valid_q, end_q, valid, row_last;

  assign row_last = age == 8'(POY - 1);
  assign valid = leaving && rows_left != 0;

  always_ff @(posedge clk) begin
    if (rst) leaving <= 1'b0;
    else if (capture) leaving <= 1'b1;
    else if (row_last) leaving <= 1'b0;
    if (capture) begin
      age <= '0;
      word <= out_word;
      rows_left <= rows;
      is_final <= final_pass;
    end else begin
      age <= age + 8'd1;
      word <= word + n_oxg;
      if (rows_left != 0) rows_left <= rows_left - 16'd1;
    end
  end

  always_ff @(posedge clk) begin : delay
    valid_q <= valid && !rst;
    word_q  <= word;
    end_q   <= leaving && row_last && is_final && !rst;
    we      <= valid_q && !rst;
    wr_word <= word_q;
    done    <= end_q && !rst;
  end
endmodule
